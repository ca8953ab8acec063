namespace Broker.Dashboard.Security;

/// <summary>A body as people may see it. It is text to be encoded like any other: what it says was written by strangers.</summary>
/// <param name="Text">What to show.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">How long the whole body is.</param>
/// <param name="IsCut">Whether the text is only the beginning.</param>
/// <param name="IsMasked">Whether something is hidden by <c>Broker:Dashboard:Mask</c>. Then the text must not be taken for the body, as an editor would.</param>
internal sealed record Payload(string Text, PayloadKind Kind, long Bytes, bool IsCut, bool IsMasked);

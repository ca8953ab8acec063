namespace Broker.Relay;

/// <summary>A dead letter whose key waits for an operator.</summary>
/// <param name="Key">The key.</param>
/// <param name="Sequence">Where its row lay, and lies again when it is redriven.</param>
/// <param name="Type">Its type.</param>
/// <param name="Reason">Why it could not be published.</param>
/// <param name="Age">How long ago it failed first.</param>
internal sealed record BlockingLetter(string Key, long Sequence, string Type, string Reason, TimeSpan Age);

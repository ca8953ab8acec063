namespace Broker.Dashboard.Pages;

/// <summary>Text that is HTML already: made by an <see cref="HtmlWriter"/>, in which everything foreign was encoded.</summary>
internal readonly record struct HtmlText
{
    private readonly string? _html;

    internal HtmlText(HtmlWriter writer) => _html = writer.ToString();

    public override string ToString() => _html ?? "";
}

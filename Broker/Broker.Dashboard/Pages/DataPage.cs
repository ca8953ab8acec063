namespace Broker.Dashboard.Pages;

/// <summary>A page whose content is fetched before Hangfire renders its frame, which it does synchronously.</summary>
internal abstract class DataPage : BrokerPage
{
    private HtmlText _body;

    /// <summary>Fetches what the page shows. Called once, before it is rendered.</summary>
    public async Task LoadAsync(BrokerRequest request)
    {
        var html = new HtmlWriter();
        await WriteAsync(html, request).ConfigureAwait(false);
        _body = html.ToHtml();
    }

    /// <summary>Writes what is below the title.</summary>
    protected abstract Task WriteAsync(HtmlWriter html, BrokerRequest request);

    // Encoded by the writer, piece by piece.
    protected sealed override void WriteBody() => WriteLiteral(_body.ToString());
}

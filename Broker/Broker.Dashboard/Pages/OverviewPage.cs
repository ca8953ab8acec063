namespace Broker.Dashboard.Pages;

/// <summary>The sources at a glance.</summary>
internal sealed class OverviewPage : BrokerPage
{
    protected override void WriteBody()
    {
        WriteLiteral("<table class=\"table\"><thead><tr><th>Source</th><th>Engine</th></tr></thead><tbody>");
        foreach (var source in Sources.Current)
        {
            WriteLiteral("<tr><td>");
            Write(source.Name);
            WriteLiteral("</td><td>");
            Write(source.Dialect.Name);
            WriteLiteral("</td></tr>");
        }
        WriteLiteral("</tbody></table>");
    }
}

using System.Globalization;
using System.Xml.Linq;
using Broker.Bench;

namespace Broker.Tests.Unit;

internal sealed class BarChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Test]
    public void The_chart_is_well_formed_whatever_its_words_are()
    {
        var chart = XDocument.Parse(BarChart.Render("a < b & \"c\"", "1–2 <script>", "ms", [new Bar("p50 < p99 & \"so on\"", 1, 0.5, 2)]));

        Assert.That(chart.Root!.Name, Is.EqualTo(Svg + "svg"));
        Assert.That(chart.Descendants(Svg + "text").Select(t => t.Value), Has.Member("a < b & \"c\"").And.Member("p50 < p99 & \"so on\""));
        Assert.That(chart.Descendants(Svg + "script"), Is.Empty);
    }

    [Test]
    public void Bars_are_as_long_as_their_values_and_stay_inside()
    {
        var chart = XDocument.Parse(BarChart.Render("t", "s", "u", [new Bar("long", 200, 100, 400), new Bar("half", 100, 100, 100), new Bar("none", 0, 0, 0)]));

        var lengths = chart.Descendants(Svg + "rect").Select(r => double.Parse(r.Attribute("width")!.Value, CultureInfo.InvariantCulture)).ToList();
        Assert.That(lengths[0], Is.EqualTo(2 * lengths[1]).Within(0.02));
        Assert.That(lengths[2], Is.Zero);
        Assert.That(chart.Descendants(Svg + "line").Select(l => double.Parse(l.Attribute("x2")!.Value, CultureInfo.InvariantCulture)), Has.All.LessThan(760));
    }

    [Test]
    public void Nothing_to_show_is_still_a_chart() => Assert.That(XDocument.Parse(BarChart.Render("t", "s", "u", [])).Root, Is.Not.Null);

    [Test]
    public void The_body_of_a_measured_message_has_as_many_bytes_as_were_asked_for([Values(16, 256, 1_024, 4_096)] int bytes)
    {
        var message = BenchMessage.Of(bytes);

        Assert.That(message.ToBody(), Has.Length.EqualTo(bytes));
        Assert.That(new Outbox.Messages.JsonMessageSerializer().Deserialize(message.ToBody(), typeof(BenchMessage)), Is.EqualTo(message));
    }
}

using System.Globalization;
using System.Xml.Linq;

namespace Broker.Bench;

/// <summary>Horizontal bars as SVG, with their values and, as a thin line, from where to where they went. Readable on light and on dark ground.</summary>
internal static class BarChart
{
    private const int Width = 760;
    private const int Left = 200;
    private const int Right = 130;
    private const int SubtitleTop = 50;
    private const int LineHeight = 17;
    private const int LineLength = 112;
    private const int Step = 36;
    private const int Thickness = 20;

    private const string Style =
        """
        text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f }
        .title { font-size: 16px; font-weight: 600 }
        .quiet { fill: #57606a; font-size: 12px }
        .bar { fill: #2f6feb }
        .range { stroke: #24292f; stroke-width: 1.5 }
        .axis { stroke: #8c959f; stroke-width: 1 }
        @media (prefers-color-scheme: dark) {
          text { fill: #e6edf3 }
          .quiet { fill: #9198a1 }
          .bar { fill: #4493f8 }
          .range { stroke: #e6edf3 }
        }
        """;

    public static string Render(string title, string subtitle, string unit, IReadOnlyList<Bar> bars)
    {
        XNamespace svg = "http://www.w3.org/2000/svg";
        var subtitles = Lines($"{subtitle} In {unit}.").ToList();
        var top = SubtitleTop + (subtitles.Count * LineHeight) + 8;
        var height = top + (bars.Count * Step) + 24;
        var longest = bars.Select(b => Math.Max(b.Value, b.Max)).DefaultIfEmpty(0).Max();
        double X(double value) => Left + (longest > 0 ? value / longest * (Width - Left - Right) : 0);
        string Number(double value) => value.ToString(longest >= 100 ? "N0" : "0.##", CultureInfo.InvariantCulture);
        XElement Text(double x, double y, string text, string? look = null, string? anchor = null) =>
            new(svg + "text", At("x", x), At("y", y), look is null ? null : new XAttribute("class", look), anchor is null ? null : new XAttribute("text-anchor", anchor), text);

        var root = new XElement(svg + "svg", new XAttribute("viewBox", $"0 0 {Width} {height}"), At("width", Width), At("height", height), new XAttribute("role", "img"),
            new XElement(svg + "title", title), new XElement(svg + "style", Style),
            Text(16, 28, title, "title"), subtitles.Select((line, i) => Text(16, SubtitleTop + (i * LineHeight), line, "quiet")));
        foreach (var (bar, i) in bars.Select((b, i) => (b, i)))
        {
            var y = top + (i * Step);
            var middle = y + (Thickness / 2.0);
            root.Add(
                Text(Left - 10, middle + 4.5, bar.Label, anchor: "end"),
                new XElement(svg + "rect", new XAttribute("class", "bar"), At("x", Left), At("y", y), At("width", X(bar.Value) - Left), At("height", Thickness), At("rx", 2)),
                new XElement(svg + "line", new XAttribute("class", "range"), At("x1", X(bar.Min)), At("x2", X(bar.Max)), At("y1", middle), At("y2", middle)),
                Text(X(Math.Max(bar.Value, bar.Max)) + 8, middle + 4.5, Number(bar.Value)));
        }
        root.Add(new XElement(svg + "line", new XAttribute("class", "axis"), At("x1", Left), At("x2", Left), At("y1", top - 8), At("y2", height - 20)));
        return root.ToString();

        static IEnumerable<string> Lines(string text)
        {
            var line = "";
            foreach (var word in text.Split(' '))
            {
                if (line.Length + word.Length >= LineLength)
                {
                    yield return line;
                    line = "";
                }
                line += line.Length == 0 ? word : " " + word;
            }
            yield return line;
        }

        static XAttribute At(string name, double value) => new(name, value.ToString("0.##", CultureInfo.InvariantCulture));
    }
}

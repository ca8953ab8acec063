using System.Globalization;
using Broker.Dashboard.Snapshots;

namespace Broker.Dashboard.Pages;

/// <summary>Lines over the last 15 minutes as SVG, which needs no script and no style of its own, and takes its colours from the style sheet.</summary>
internal static class Chart
{
    private const int Width = 400;
    private const int Height = 130;
    private const int Left = 44;
    private const int Top = 8;
    private const int Bottom = 20;
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(15);
    private static readonly int Steps = (int)(SourceWatch.History / Step);

    /// <summary>A line of a chart.</summary>
    /// <param name="Name">What it shows.</param>
    /// <param name="Kind">Its class in the style sheet.</param>
    /// <param name="Values">A value for each step of 15 seconds, the oldest first; null where nothing is known.</param>
    internal sealed record Line(string Name, string Kind, IReadOnlyList<double?> Values);

    /// <summary>Rates in and out, and the backlog, of some sources together.</summary>
    public static HtmlWriter Charts(this HtmlWriter html, IReadOnlyList<SourceSnapshot> snapshots, DateTimeOffset now)
    {
        var all = snapshots.Select(s => StepsOf(s.Points, now)).ToList();
        html.Write($"""<div class="b-charts">""");
        Write(html, "Messages a second", now, [new Line("written", "b-in", Sum(all.Select(s => s.In))), new Line("published", "b-out", Sum(all.Select(s => s.Out)))]);
        Write(html, "Rows waiting", now, [new Line("backlog", "b-backlog", Sum(all.Select(s => s.Backlog)))]);
        return html.Write($"</div>");
    }

    /// <summary>The values of each step.</summary>
    internal static (IReadOnlyList<double?> In, IReadOnlyList<double?> Out, IReadOnlyList<double?> Backlog) StepsOf(IReadOnlyList<SnapshotPoint> points, DateTimeOffset now)
    {
        var (come, gone, backlog) = (new double?[Steps], new double?[Steps], new double?[Steps]);
        var begin = now - SourceWatch.History;
        SnapshotPoint? before = null;
        var next = 0;
        for (var step = 0; step < Steps; step++)
        {
            var end = begin + (Step * (step + 1));
            SnapshotPoint? last = null;
            while (next < points.Count && points[next].At <= end)
                last = points[next++];
            if (last is not { } point)
                continue;
            backlog[step] = point.Backlog;
            if (before is { } from && SourceSnapshot.Between(from, point) is { } rates)
                (come[step], gone[step]) = (rates.In, rates.Out);
            before = point;
        }
        return (come, gone, backlog);
    }

    private static double?[] Sum(IEnumerable<IReadOnlyList<double?>> lines) =>
        [.. Enumerable.Range(0, Steps).Select(step => lines.Select(l => l[step]).Where(v => v is not null).ToList() is { Count: > 0 } known ? known.Sum() : null)];

    private static void Write(HtmlWriter html, string title, DateTimeOffset now, IReadOnlyList<Line> lines)
    {
        var most = Ceiling(lines.SelectMany(l => l.Values).Max() ?? 0);
        html.Write($"""<figure class="b-chart"><figcaption>{title}""");
        foreach (var line in lines)
            html.Write($""" <span class="b-key {line.Kind}">{line.Name} <b>{(line.Values.LastOrDefault(v => v is not null) is { } last ? Words.Rate(Math.Round(last, 1)) : "–")}</b></span>""");
        html.Write($"""</figcaption><svg viewBox="0 0 {Width} {Height}" role="img" aria-label="{title} over the last 15 minutes, up to {Words.Rate(most)}">""");
        foreach (var share in (double[])[0, 0.5, 1])
        {
            var y = Y(share * most, most);
            html.Write($"""<line class="b-grid" x1="{Left}" x2="{Width}" y1="{y}" y2="{y}"/><text x="{Left - 6}" y="{y + 3.5}" text-anchor="end">{Words.Rate(share * most)}</text>""");
        }
        foreach (var minutes in (int[])[15, 10, 5, 0])
        {
            var x = X(Steps * (1 - (minutes / 15.0)));
            var at = now - TimeSpan.FromMinutes(minutes);
            html.Write($"""<text x="{x}" y="{Height - 5}" text-anchor="{(minutes == 15 ? "start" : minutes == 0 ? "end" : "middle")}">{at.UtcDateTime.ToString("HH:mm", CultureInfo.InvariantCulture)}</text>""");
        }
        foreach (var line in lines)
        {
            foreach (var run in RunsOf(line.Values, most))
                html.Write($"""<polyline class="b-line {line.Kind}" points="{run}"/>""");
        }
        html.Write($"</svg></figure>");
    }

    /// <summary>The pieces of a line between holes in what is known. A single value is drawn as a short stroke.</summary>
    private static IEnumerable<string> RunsOf(IReadOnlyList<double?> values, double most)
    {
        var run = new List<string>();
        for (var step = 0; step <= values.Count; step++)
        {
            if (step < values.Count && values[step] is { } value)
            {
                if (run.Count == 0)
                    run.Add(Point(step + 0.5, value, most));
                run.Add(Point(step + 1, value, most));
            }
            else if (run.Count > 0)
            {
                yield return string.Join(' ', run);
                run.Clear();
            }
        }
    }

    private static string Point(double step, double value, double most) => string.Create(CultureInfo.InvariantCulture, $"{X(step):0.#},{Y(value, most):0.#}");

    private static double X(double step) => Math.Round(Left + ((Width - Left) * step / Steps), 1);

    private static double Y(double value, double most) => Math.Round(Top + ((Height - Top - Bottom) * (1 - (value / most))), 1);

    /// <summary>The next round number: 1, 2 or 5 and zeros.</summary>
    private static double Ceiling(double value)
    {
        if (value <= 1)
            return 1;
        var unit = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return ((double[])[1, 2, 5, 10]).First(step => step * unit >= value) * unit;
    }
}

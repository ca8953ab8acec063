using System.Globalization;

namespace Broker.Dashboard.Pages;

/// <summary>Numbers and times in words for people, the same on every page.</summary>
internal static class Words
{
    private static readonly CultureInfo Plain = CultureInfo.InvariantCulture;

    /// <summary><c>1,234</c>.</summary>
    public static string Number(long number) => number.ToString("N0", Plain);

    /// <summary>As <see cref="Number"/>, with what a count that ended at its limit says: <c>20,000+</c>.</summary>
    public static string Counted(long number, long limit) => number >= limit ? limit.ToString("N0", Plain) + "+" : Number(number);

    /// <summary>Messages a second.</summary>
    public static string Rate(double? rate) => rate switch
    {
        null => "–",
        0 => "0",
        < 10 => rate.Value.ToString("0.#", Plain),
        _ => rate.Value.ToString("N0", Plain),
    };

    /// <summary>A time span to two parts: <c>42 ms</c>, <c>1.3 s</c>, <c>21 s</c>, <c>3 min 20 s</c>, <c>2 d 4 h</c>.</summary>
    public static string Span(TimeSpan span) => span <= TimeSpan.Zero ? "0 s" : span.TotalSeconds switch
    {
        < 0.9995 => span.TotalMilliseconds.ToString("0", Plain) + " ms",
        < 9.95 => span.TotalSeconds.ToString("0.0", Plain) + " s",
        < 60 => span.TotalSeconds.ToString("0", Plain) + " s",
        < 3_600 => string.Create(Plain, $"{(int)span.TotalMinutes} min{(span.Seconds == 0 || span.TotalMinutes >= 10 ? "" : $" {span.Seconds} s")}"),
        < 86_400 => string.Create(Plain, $"{(int)span.TotalHours} h{(span.Minutes == 0 ? "" : $" {span.Minutes} min")}"),
        _ => string.Create(Plain, $"{(int)span.TotalDays} d{(span.Hours == 0 ? "" : $" {span.Hours} h")}"),
    };

    public static string Bytes(long bytes) => bytes switch
    {
        1 => "1 byte",
        < 1_024 => string.Create(Plain, $"{bytes} bytes"),
        < 1_048_576 => string.Create(Plain, $"{bytes / 1_024.0:0.#} KiB"),
        _ => string.Create(Plain, $"{bytes / 1_048_576.0:0.#} MiB"),
    };

    /// <summary>A moment, UTC, to the second: <c>2026-11-27 02:14:05</c>.</summary>
    public static string Moment(DateTime at) => at.ToString("yyyy-MM-dd HH:mm:ss", Plain);

    /// <summary>A moment to the millisecond.</summary>
    public static string Exact(DateTime at) => at.ToString("yyyy-MM-dd HH:mm:ss.fff", Plain);

    /// <summary>One thing or several: <c>1 row</c>, <c>2 rows</c>.</summary>
    public static string Several(long number, string one, string? many = null) => $"{Number(number)} {(number == 1 ? one : many ?? one + "s")}";

    /// <summary>The first characters of a text, for a list.</summary>
    public static string Cut(string? text, int length) => text is null ? "" : text.Length <= length ? text : text[..length] + "…";
}

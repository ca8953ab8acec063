using System.Globalization;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Converters;
using Newtonsoft.Json.Serialization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Broker.Commands;

/// <summary>What the commands write: tables for people, JSON for programs. Plain when it goes into a file or a pipe.</summary>
internal static class Output
{
    /// <summary>A program that reads a list wants whole lines.</summary>
    private const int Wide = 4_000;

    private static readonly JsonSerializerSettings Json = new()
    {
        ContractResolver = new DefaultContractResolver { NamingStrategy = new CamelCaseNamingStrategy() },
        DateTimeZoneHandling = DateTimeZoneHandling.Utc,
        Converters = { new StringEnumConverter(new CamelCaseNamingStrategy()) },
    };

    /// <summary>Whether a person sees it come, so that a line may be drawn again and a question be asked.</summary>
    public static bool IsTerminal => !Console.IsOutputRedirected && !Console.IsErrorRedirected && AnsiConsole.Profile.Capabilities.Interactive;

    /// <summary>Whether that person can answer.</summary>
    public static bool CanAsk => IsTerminal && !Console.IsInputRedirected;

    /// <summary>An empty table in the way of all commands.</summary>
    public static Table Table(params string[] columns)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var column in columns)
        {
            // A title that begins with a bar is that of numbers.
            table.AddColumn(column.StartsWith('|') ? new TableColumn(column[1..]).RightAligned() : new TableColumn(column));
        }
        return table;
    }

    public static void Write(IRenderable what)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = Wide;
        AnsiConsole.Write(what);
    }

    /// <summary>Shows a bar while something long is done, to whoever sees it.</summary>
    /// <param name="what">What is done.</param>
    /// <param name="count">How much there is to do.</param>
    /// <param name="runAsync">Does it, and tells how much is done.</param>
    public static Task WithProgressAsync(string what, long count, Func<Action<long>, Task> runAsync) => !IsTerminal
        ? runAsync(_ => { })
        : AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(progress =>
        {
            var bar = progress.AddTask(Markup.Escape(what), maxValue: count);
            return runAsync(done => bar.Value = done);
        });

    /// <summary>Writes an object as JSON: indented, or as one line.</summary>
    public static void WriteJson(object what, bool inOneLine = false) => Console.WriteLine(JsonConvert.SerializeObject(what, inOneLine ? Formatting.None : Formatting.Indented, Json));

    /// <summary>A cell. What comes from a message may hold anything, and must not move the cursor or change the colours of who reads it.</summary>
    public static Text Cell(string? text) => new(Safe(text ?? "", keepsLines: false));

    public static Text Cell(long number) => new(string.Create(CultureInfo.InvariantCulture, $"{number:N0}"));

    /// <summary>A text without control characters.</summary>
    public static string Safe(string text, bool keepsLines)
    {
        var safe = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (keepsLines && rune.Value is '\n' or '\t')
                safe.Append((char)rune.Value);
            else if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                safe.Append(rune.Value is '\n' or '\r' or '\t' ? ' ' : '\uFFFD');
            else
                safe.Append(rune.ToString());
        }
        return safe.ToString();
    }

    /// <summary>A time to the second.</summary>
    public static string Time(DateTime? time) => time?.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "";
}

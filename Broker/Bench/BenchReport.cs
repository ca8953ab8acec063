using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Broker.Bench;

/// <summary>What a measurement found: a table for people, everything for programs, and bars for a picture.</summary>
internal sealed class BenchReport
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Converters = { new JsonStringEnumConverter() }, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>The verb.</summary>
    public required string Name { get; init; }

    /// <summary>What was measured, and on what.</summary>
    public required string What { get; init; }

    public required IReadOnlyList<string> Columns { get; init; }

    public IList<IReadOnlyList<string>> Rows { get; } = [];

    /// <summary>Sentences under the table: the results.</summary>
    public IList<string> Findings { get; } = [];

    /// <summary>The results as numbers, by name.</summary>
    public IDictionary<string, double> Results { get; } = new Dictionary<string, double>();

    public IList<BenchSample> Samples { get; } = [];

    public IList<Bar> Bars { get; } = [];

    /// <summary>What the bars' lengths are.</summary>
    public string Unit { get; init; } = "messages a second";

    public void Write()
    {
        // A file or a pipe has no width; a table squeezed into 80 columns is hard to read.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, 160);
        var table = new Table();
        foreach (var (column, i) in Columns.Select((c, i) => (c, i)))
            table.AddColumn(i == 0 ? new TableColumn(new Text(column)) : new TableColumn(new Text(column)).RightAligned());
        foreach (var row in Rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        AnsiConsole.Write(table);
        foreach (var finding in Findings)
            Console.WriteLine(finding);
        Console.WriteLine(What);
    }

    /// <summary>Everything, for programs.</summary>
    public string ToJson(IReadOnlyDictionary<string, object?> parameters, IReadOnlyDictionary<string, string> versions, IReadOnlyList<string> scratch) => JsonSerializer.Serialize(new
    {
        Bench = Name,
        What,
        Date = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        Machine = new { Os = RuntimeInformation.OSDescription, Architecture = RuntimeInformation.OSArchitecture.ToString(), Cores = Environment.ProcessorCount, Processor = Processor(), MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes },
        Versions = versions,
        Parameters = parameters,
        Results,
        Findings,
        Samples,
        Scratch = scratch,
    }, Json);

    private static string? Processor()
    {
        const string info = "/proc/cpuinfo";
        return File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() : null;
    }
}

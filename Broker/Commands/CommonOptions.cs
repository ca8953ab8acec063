using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Outbox;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary>What the commands share: the configuration file, and how they fail.</summary>
internal static class CommonOptions
{
    public static Option<FileInfo?> Config() => new("--config", "-c")
    {
        Description = "A JSON file with the section \"Broker\", read after appsettings.json and before environment variables (Broker__…).",
        HelpName = "file",
    };

    public static Option<string> Source() => new("--source", "-s") { Description = "The source, by its name in the configuration.", HelpName = "name", Required = true };

    public static Option<bool> Json() => new("--json") { Description = "Write JSON, for programs: docs/cli.md describes it." };

    public static Option<int> Limit() => Bench.BenchOptions.Number("--limit", "Most rows.", 100);

    public static Option<long?> After() => new("--after") { Description = "Go on behind the row of this number, which the page before has ended with.", HelpName = "number" };

    /// <summary>A time, or how long ago: 90m, 2h, 7d. Null stays null.</summary>
    /// <exception cref="OutboxConfigurationException">It is neither.</exception>
    public static DateTime? TimeOf(Option option, string? text, TimeProvider time)
    {
        if (text is null)
            return null;
        if (text.Length > 1 && "smhd".IndexOf(text[^1], StringComparison.Ordinal) is >= 0 and var unit && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number < 1e6)
            return (time.GetUtcNow() - (number * new[] { TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1), TimeSpan.FromHours(1), TimeSpan.FromDays(1) }[unit])).UtcDateTime;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at.UtcDateTime
            : throw new OutboxConfigurationException($"{option.Name} is '{text}', which is no time. Use one like 2026-01-31T00:00:00Z, or how long ago: 90m, 2h, 7d.");
    }

    /// <summary>Works on the database of a source, once its tables have been looked at.</summary>
    public static Task<int> WithSourceAsync(FileInfo? config, string name, Func<SourceSettings, DbDataSource, Task<int>> runAsync) => GuardAsync(async () =>
    {
        var source = SourceOf(BrokerConfiguration.Read(BrokerConfiguration.Load(config), needsRabbitMq: false), name);
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using (var connection = await dataSource.OpenConnectionAsync())
            await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: true, CancellationToken.None);
        return await runAsync(source, dataSource);
    });

    /// <summary>A configured source by its name.</summary>
    /// <exception cref="OutboxConfigurationException">There is none of that name.</exception>
    public static SourceSettings SourceOf(BrokerSettings settings, string name) => settings.Sources.FirstOrDefault(s => s.Name == name)
        ?? throw new OutboxConfigurationException($"Source '{name}' is not configured. Configured are: {string.Join(", ", settings.Sources.Select(s => s.Name))}.");

    /// <summary>Turns what a person can mend into one line on standard error. Anything else is a defect and keeps its stack.</summary>
    public static async Task<int> GuardAsync(Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (OutboxConfigurationException exception)
        {
            await Console.Error.WriteLineAsync($"broker: {exception.Message}");
            return ExitCodes.Misconfigured;
        }
        catch (DbException exception)
        {
            await Console.Error.WriteLineAsync($"broker: the database failed: {SqlErrors.TextOf(exception)}.");
            return ExitCodes.Failed;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Ok;
        }
    }
}

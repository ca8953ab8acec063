using System.CommandLine;
using System.Data.Common;
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

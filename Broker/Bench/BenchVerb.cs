using System.CommandLine;
using System.Runtime.InteropServices;
using Broker.Commands;
using Outbox;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Bench;

/// <summary>A verb of <c>bench</c>: finds the servers, measures, shows and writes the result, and leaves nothing behind.</summary>
internal static class BenchVerb
{
    public static Command Create(string name, string description, IReadOnlyList<Option> own, Func<ParseResult, BenchSession, Task<BenchReport>> measure)
    {
        var options = new BenchOptions();
        var command = new Command(name, description);
        foreach (var option in own)
            command.Options.Add(option);
        options.AddTo(command);
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(() => RunAsync(parsed, options, measure, cancellationToken)));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, BenchOptions options, Func<ParseResult, BenchSession, Task<BenchReport>> measure, CancellationToken cancellationToken)
    {
        using var interrupted = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // The first signal ends the measurement and lets it tidy up; a second one ends the process.
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = !interrupted.IsCancellationRequested;
            interrupted.Cancel();
        }
        using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            await MeasureAsync(parsed, options, measure, interrupted.Token);
            return ExitCodes.Ok;
        }
        catch (BenchFailedException exception)
        {
            await Console.Error.WriteLineAsync($"broker: {exception.Message}");
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("broker: interrupted; what was made on the servers is removed.");
        }
        return ExitCodes.Failed;
    }

    private static async Task MeasureAsync(ParseResult parsed, BenchOptions options, Func<ParseResult, BenchSession, Task<BenchReport>> measure, CancellationToken cancellationToken)
    {
        var dialect = BenchDatabase.Engine(parsed.GetValue(options.Database)!);
        var connectionString = parsed.GetValue(options.ConnectionString);
        if (connectionString is not null && dialect == SqlDialect.Sqlite && !Directory.Exists(connectionString))
            throw new OutboxConfigurationException($"--connection-string '{connectionString}' is no folder. For Sqlite give a folder for scratch files.");
        if (connectionString is not null && dialect != SqlDialect.Sqlite)
            DataSources.Check("--connection-string", dialect, connectionString);
        List<(string, string?)> wanted = [("rabbitmq", parsed.GetValue(options.RabbitMq))];
        if (BenchServers.NameOf(dialect) is { } server)
            wanted.Add((server, connectionString));
        var servers = BenchServers.Find(wanted);

        BenchReport? report = null;
        string? json = null;
        async Task RunAsync(ProgressTask? progress)
        {
            await using var session = new BenchSession(servers, dialect, connectionString, progress, cancellationToken);
            report = await measure(parsed, session);
            var parameters = parsed.CommandResult.Command.Options
                .Where(o => o.Name is not ("--rabbitmq" or "--connection-string" or "--json" or "--chart"))
                .ToDictionary(o => o.Name.TrimStart('-'), o => parsed.GetResult(o)?.GetValueOrDefault<object?>());
            json = report.ToJson(parameters, session.Versions, session.Scratch);
        }
        if (AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected)
            await AnsiConsole.Progress().AutoClear(true).Columns(new SpinnerColumn(), new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()).StartAsync(context => RunAsync(context.AddTask("starting")));
        else
            await RunAsync(null);

        report!.Write();
        if (parsed.GetValue(options.Json) is { } file)
            await File.WriteAllTextAsync(file.FullName, json + "\n", CancellationToken.None);
        if (parsed.GetValue(options.Chart) is { } chart)
            await File.WriteAllTextAsync(chart.FullName, BarChart.Render($"broker bench {report.Name}", report.What, report.Unit, [.. report.Bars]) + "\n", CancellationToken.None);
    }
}

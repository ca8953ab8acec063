using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker status</c>: what waits in each source, for how long, and how fast it goes.</summary>
internal static class StatusCommand
{
    /// <summary>Between the two looks that the rates come from.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public static Command Create()
    {
        var (config, json) = (CommonOptions.Config(), CommonOptions.Json());
        var watch = new Option<int?>("--watch", "-w") { Description = "Look again every so many seconds, 2 if none are given, until stopped.", HelpName = "seconds", Arity = ArgumentArity.ZeroOrOne };
        Bench.BenchOptions.AtLeast(watch, 1);
        var command = new Command("status", "Show what waits in the outbox of each configured source, for how long, how fast it comes and goes, and what does not flow. The exit code is 1 if a source cannot be asked.") { config, json, watch };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var settings = BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(config)), needsRabbitMq: false);
            await using var reader = new StatusReader(settings.Sources, TimeProvider.System);
            if (parsed.GetResult(watch) is { Implicit: false })
                return await WatchAsync(reader, TimeSpan.FromSeconds(parsed.GetValue(watch) ?? 2), parsed.GetValue(json), cancellationToken);
            var first = await reader.LookAsync(null, cancellationToken);
            await Task.Delay(Pause, TimeProvider.System, cancellationToken);
            var all = await reader.LookAsync(first, cancellationToken);
            if (parsed.GetValue(json))
                Output.WriteJson(StatusOutput.Shape(all));
            else
                Output.Write(StatusOutput.Render(all));
            return all.All(s => s.Trouble is null) ? ExitCodes.Ok : ExitCodes.Failed;
        }));
        return command;
    }

    /// <summary>On a terminal one picture that is drawn again and again; otherwise one after another.</summary>
    private static async Task<int> WatchAsync(StatusReader reader, TimeSpan pause, bool asJson, CancellationToken cancellationToken)
    {
        IReadOnlyList<SourceStatus>? all = null;
        async Task RepeatAsync(Action<IReadOnlyList<SourceStatus>> show)
        {
            while (true)
            {
                show(all = await reader.LookAsync(all, cancellationToken));
                await Task.Delay(all.All(s => s.In is null) ? Pause : pause, TimeProvider.System, cancellationToken);
            }
        }
        if (!asJson && Output.IsTerminal)
        {
            await AnsiConsole.Live(new Text("")).StartAsync(async picture => await RepeatAsync(status =>
            {
                picture.UpdateTarget(new Rows(Output.Cell(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():yyyy-MM-dd HH:mm:ss} UTC, every {pause.TotalSeconds:0} s. Stop with Ctrl-C.")), StatusOutput.Render(status)));
                picture.Refresh();
            }));
        }
        else
        {
            await RepeatAsync(status =>
            {
                if (asJson)
                    Output.WriteJson(StatusOutput.Shape(status), inOneLine: true);
                else
                    Output.Write(StatusOutput.Render(status));
            });
        }
        return ExitCodes.Ok;
    }
}

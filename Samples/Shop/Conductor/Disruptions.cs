using System.Diagnostics;

namespace Shop.Conductor;

/// <summary>Breaks things while events are on their way: kills of the worker spread over the run, and a restart of RabbitMQ in its middle.</summary>
internal sealed class Disruptions(RunPlan plan, IDeployment deployment, MessageTap tap, RunConsole console)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var (after, cause) in Planned().OrderBy(d => d.After))
        {
            // Counted by what was published: a worker that was just started again has to get to work before it is killed the next time.
            while (tap.Distinct < after)
                await Task.Delay(20, cancellationToken);
            await cause(cancellationToken);
        }
    }

    private IEnumerable<(long After, Func<CancellationToken, Task> Cause)> Planned()
    {
        // An order that is refused at once becomes four messages, one that is confirmed eight. The last of these kills must come, too.
        var events = plan.Options.Orders * 4L;
        for (var kill = 1; kill <= plan.Options.WorkerKills; kill++)
            yield return (events * kill / (plan.Options.WorkerKills + 1), KillWorkerAsync);
        if (plan.Options.RestartCommand is not null)
            yield return (events / 2, RestartRabbitMqAsync);
    }

    private async Task KillWorkerAsync(CancellationToken cancellationToken)
    {
        var published = tap.Distinct;
        await deployment.KillWorkerAsync();
        console.Event($"worker killed (SIGKILL) after {published:N0} events, and started again");
    }

    private async Task RestartRabbitMqAsync(CancellationToken cancellationToken)
    {
        console.Event($"RabbitMQ is restarted after {tap.Distinct:N0} events");
        var began = Stopwatch.StartNew();
        var shell = File.Exists("/bin/bash") ? "/bin/bash" : "/bin/sh";
        using var restart = Process.Start(new ProcessStartInfo(shell, ["-c", plan.Options.RestartCommand!]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = Task.WhenAll(restart.StandardOutput.ReadToEndAsync(cancellationToken), restart.StandardError.ReadToEndAsync(cancellationToken));
        await restart.WaitForExitAsync(cancellationToken);
        if (restart.ExitCode != 0)
            throw new RunFailedException($"The restart command has failed with exit code {restart.ExitCode}: {string.Join("", await output).Trim()}");
        console.Event($"RabbitMQ is back after {began.Elapsed.TotalSeconds:0.0} s");
    }
}

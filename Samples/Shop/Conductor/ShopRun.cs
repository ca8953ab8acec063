using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Outbox.Transport;
using RabbitMQ.Client.Exceptions;
using Spectre.Console;

namespace Shop.Conductor;

/// <summary>One run from start to verdict: start everything, place orders, break things, wait until all agree, stop everything, count.</summary>
internal sealed class ShopRun(RunPlan plan, IRunTransport transport, IDeployment deployment, MessageTap tap, RunConsole console)
{
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    private readonly ShopDatabases _databases = new(plan);

    public static async Task<int> RunAsync(RunOptions options, CancellationToken cancellationToken)
    {
        var plan = new RunPlan(options);
        var console = new RunConsole();
        await using var tap = new MessageTap();
        try
        {
            if (options.IsEmbedded)
            {
                await using var memory = new InMemoryRunTransport(plan);
                return await new ShopRun(plan, memory, new EmbeddedDeployment(plan, memory.Memory), tap, console).RunAsync(cancellationToken);
            }
            await using var rabbitMq = new RabbitMqRunTransport(plan);
            return await new ShopRun(plan, rabbitMq, new ProcessDeployment(plan, rabbitMq), tap, console).RunAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            AnsiConsole.MarkupLine("[yellow]Interrupted.[/]");
            return 130;
        }
        catch (Exception failure) when (failure is RunFailedException or TransportException or RabbitMQClientException or DbException)
        {
            AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[red]FAILED:[/] {failure.Message}");
            return 1;
        }
        finally
        {
            if (options.Keep)
                AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Kept: {plan.Folder}");
            else
                Directory.Delete(plan.Folder, recursive: true);
        }
    }

    private async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        console.Event($"run {plan.Id}: {plan.Options.Orders:N0} orders, {plan.Options.Clients} clients, {plan.Options.Customers} customers; {transport.Description}; three {plan.Options.Database} databases");
        try
        {
            var report = await console.DuringAsync(() => FailEarlyAsync(ConvergeAsync, cancellationToken));
            return report.Print();
        }
        finally
        {
            await deployment.DisposeAsync();
            await tap.DisposeAsync();
            await _databases.DisposeAsync();
            if (!plan.Options.Keep)
                await DeleteAsync();
        }
    }

    /// <summary>Gives up the work when a part of the shop has died under it.</summary>
    private async Task<RunReport> FailEarlyAsync(Func<CancellationToken, Task<RunReport>> work, CancellationToken cancellationToken)
    {
        using var given = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var working = work(given.Token);
        try
        {
            if (await Task.WhenAny(working, deployment.Failure) == working)
                return await working;
            // Ctrl-C in a terminal goes to every process of the run: then the others have not died, they were told to end.
            await Task.Delay(TimeSpan.FromMilliseconds(300), cancellationToken);
            await deployment.Failure;
            throw new UnreachableException();
        }
        finally
        {
            // Whatever is still under way, clients first of all, is of no more use.
            await given.CancelAsync();
            await ((Task)working).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<RunReport> ConvergeAsync(CancellationToken cancellationToken)
    {
        // The tap first: it has to see every event.
        try
        {
            await tap.StartAsync(plan, transport.Transport, cancellationToken).WaitAsync(ConnectPatience, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new RunFailedException($"There is no answer from {transport.Description}.");
        }
        await _databases.CreateAsync(cancellationToken);
        await WorkerProcess.WriteConfigurationAsync(plan, cancellationToken);
        if (!plan.Services.All(s => s.UsesEntityFramework))
            await WorkerProcess.CreateTablesAsync(plan, cancellationToken);
        await deployment.StartAsync(cancellationToken);
        console.Event($"services are up, Orders at {deployment.OrdersAddress}");

        var began = Stopwatch.StartNew();
        var clients = new ShopClients(plan.Options, deployment.OrdersAddress);
        await WatchAsync(clients, clients.RunAsync(cancellationToken), new Disruptions(plan, deployment, tap, console).RunAsync(cancellationToken), cancellationToken);
        var duration = began.Elapsed;

        // Counted once more with everything at rest: a late effect would show.
        await deployment.StopAsync();
        return new RunReport(await LookAsync(cancellationToken), tap.Copies, deployment.Duplicates, clients.Repeated, duration);
    }

    /// <summary>Returns when everything is placed, broken and agreed upon, or when the time is over.</summary>
    private async Task WatchAsync(ShopClients clients, Task placing, Task breaking, CancellationToken cancellationToken)
    {
        var sincePlaced = new Stopwatch();
        while (true)
        {
            var state = await _databases.ReadAsync(cancellationToken);
            console.Progress($"placed {clients.Placed:N0} of {plan.Options.Orders:N0} · published {tap.Distinct:N0} · applied {state.Applied:N0} · backlog {state.Backlog:N0}");
            if (placing.IsFaulted || breaking.IsFaulted)
                await (placing.IsFaulted ? placing : breaking);
            if (placing.IsCompletedSuccessfully)
            {
                if (!sincePlaced.IsRunning)
                    console.Event($"all orders are placed");
                sincePlaced.Start();
                if (breaking.IsCompletedSuccessfully && (await LookAsync(cancellationToken)).IsReached)
                    return;
                if (sincePlaced.Elapsed > plan.Options.Timeout)
                    return;
            }
            await Task.Delay(Poll, cancellationToken);
        }
    }

    private async Task<Convergence> LookAsync(CancellationToken cancellationToken) =>
        new(plan.Options, await _databases.ReadAsync(cancellationToken), tap, await transport.CountDeadAsync(cancellationToken));

    private async Task DeleteAsync()
    {
        foreach (var delete in (Func<Task>[])[transport.DeleteAsync, _databases.DeleteAsync])
        {
            try
            {
                await delete();
            }
            catch (Exception exception)
            {
                // The verdict stands; a person may have to tidy up.
                console.Event($"could not remove everything of run {plan.Id}: {exception.Message}");
            }
        }
    }
}

using System.Text.Json;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary>Each service in a process of its own, and one worker that relays the events of all three.</summary>
internal sealed class ProcessDeployment(RunPlan plan, IRunTransport transport) : IDeployment
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    private readonly List<ChildProcess> _services = [];
    private readonly TaskCompletionSource _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ChildProcess? _worker;

    public Uri OrdersAddress => new(ServiceStatus.TryRead(plan.Of("orders").StatusFile)!.Address!);

    public Task Failure => _failure.Task;

    public long Duplicates => plan.Services.Sum(s => ServiceStatus.TryRead(s.StatusFile)?.Duplicates ?? 0);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var settings in plan.Services)
        {
            var file = plan.FileOf(settings.Service + ".json");
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(settings), cancellationToken);
            _services.Add(Watch(ChildProcess.Start(settings.Service, typeof(Program).Assembly.Location, ["service", settings.Service, "--settings", file], plan.Folder)));
        }
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(StartPatience);
        try
        {
            while (plan.Services.Any(s => ServiceStatus.TryRead(s.StatusFile) is null))
                await Task.Delay(50, limit.Token);
            await transport.WaitForQueuesAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RunFailedException($"The services were not up after {StartPatience.TotalSeconds:0} s. {string.Join("", _services.Select(s => s.LastWords))}");
        }

        // The worker comes last: it wants to see its tables, and whoever is to receive the events has to be there.
        _worker = Watch(WorkerProcess.Start(plan));
    }

    public async Task KillWorkerAsync()
    {
        await _worker!.KillAsync();
        await _worker.DisposeAsync();
        _worker = Watch(WorkerProcess.Start(plan));
    }

    public async Task StopAsync()
    {
        // First those that write events, then the one that publishes them.
        await Task.WhenAll(_services.Select(s => s.StopAsync()));
        if (_worker is not null)
            await _worker.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var process in _worker is null ? _services : [.. _services, _worker])
            await process.DisposeAsync();
    }

    private ChildProcess Watch(ChildProcess process)
    {
        _ = FailWhenItEndsAsync(process);
        return process;
    }

    private async Task FailWhenItEndsAsync(ChildProcess process)
    {
        await process.Ended;
        if (!process.IsWantedToEnd)
            _failure.TrySetException(new RunFailedException($"The process '{process.Name}' has ended by itself with exit code {process.ExitCode}. {process.LastWords}"));
    }
}

using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Locks;

namespace Broker.Relay;

/// <summary>A partition that this relay holds, from the lease to its release, and the drainer at work on it.</summary>
internal sealed class HeldPartition : IAsyncDisposable
{
    /// <summary>Twice the longest wait after a failure.</summary>
    private static readonly TimeSpan LongAgo = TimeSpan.FromSeconds(20);

    private readonly RelaySource _source;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly PartitionDrainer _drainer;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _stopping = new();
    private readonly long _since;
    private bool _disposed;

    public HeldPartition(RelaySource source, short partition, Lease lease, RelayConnections connections, Action onAsleep, TimeProvider time, ILogger logger, StepSignals steps)
    {
        (_source, Partition, Lease, _time, _logger, _since) = (source, partition, lease, time, logger, time.GetTimestamp());
        _drainer = new PartitionDrainer(source, new SqlOutboxStore(source, partition, lease.Name, lease.Token, connections), time, logger, steps, () => source.State.Drains(partition), onAsleep);
        Ended = Task.Run(RunAsync);
    }

    public short Partition { get; }

    public Lease Lease { get; }

    /// <summary>Ends when the drainer has, with its error if there was one; then the lease has been given up.</summary>
    public Task Ended { get; }

    /// <summary>While it waits to be woken: the number above which no row has been seen.</summary>
    public long? AsleepAbove => _drainer.AsleepAbove;

    /// <summary>What does not flow, for people.</summary>
    public IReadOnlyList<BlockedKey> Blocked => _drainer.Blocked;

    public void Wake() => _drainer.Wake();

    /// <summary>Ends what was told of a failure of this partition, if it is drained.</summary>
    public void TellThatItWorks()
    {
        // Whose rows can all not be published neither settles nor sleeps, and works all the same.
        if (!Ended.IsCompleted && (AsleepAbove is not null || _time.GetElapsedTime(_since) > LongAgo))
            _source.State.Drains(Partition);
    }

    /// <summary>Lets it finish what is on its way and end.</summary>
    public void Stop()
    {
        lock (_stopping)
        {
            if (!_disposed)
                _stop.Cancel();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Stop();
        await Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_stopping)
            _disposed = true;
        _drainer.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        Changed("taken");
        Log.Draining(_logger, _source.Name, Partition, _source.Dialect.Name, Lease.Token);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(Lease.LostToken, _stop.Token);
        var retention = Partition == 0 ? new ArchiveRetention(_source, _time, _logger).RunAsync(ended.Token) : Task.CompletedTask;
        var backlog = Partition == 0 ? new BacklogWatch(_source, _time, _logger).RunAsync(ended.Token) : Task.CompletedTask;
        try
        {
            await _drainer.RunAsync(Lease.LostToken, _stop.Token).ConfigureAwait(false);
            Log.Stopped(_logger, _source.Name, Partition);
        }
        catch (Exception exception) when (exception is LeaseLostException || (exception is OperationCanceledException && Lease.LostToken.IsCancellationRequested))
        {
            Log.LeaseLost(_logger, _source.Name, Partition, Lease.Token);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await retention.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await backlog.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // At once, so that another relay can go on.
            await Lease.DisposeAsync().ConfigureAwait(false);
            Changed(Lease.LostToken.IsCancellationRequested ? "lost" : "released");
        }
    }

    private void Changed(string change) => OutboxMetrics.LeaseChanges.Add(1, _source.State.Source, new("change", change));
}

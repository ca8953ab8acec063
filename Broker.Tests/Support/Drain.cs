using Broker.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>One run of a drainer over a test database, from taking the lease to its end, or to its "death".</summary>
internal sealed class Drain : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lease _lease;
    private readonly SqlOutboxStore _store;
    private readonly PartitionDrainer _drainer;

    private Drain(Lease lease, SqlOutboxStore store, PartitionDrainer drainer)
    {
        (_lease, _store, _drainer) = (lease, store, drainer);
        Ended = Task.Run(() => drainer.RunAsync(lease.LostToken, _stop.Token));
    }

    /// <summary>Ends when the drainer does, with its error if it died.</summary>
    public Task Ended { get; }

    public long Token => _lease.Token;

    public IReadOnlyList<BlockedKey> Blocked => _drainer.Blocked;

    public static async Task<Drain> StartAsync(TestDatabase database, ITransport transport, StepSignals? steps = null, RelayOptions? options = null, TestLog? log = null, TimeProvider? time = null)
    {
        var source = new RelaySource
        {
            Name = "tests",
            Dialect = database.Dialect,
            DataSource = database.DataSource,
            Transport = transport,
            // With such delays ten attempts would be used up within a second, so nothing is set aside unless a test asks for it.
            Options = options ?? new RelayOptions { RetryDelay = TimeSpan.FromMilliseconds(20), MaxRetryDelay = TimeSpan.FromMilliseconds(100), MaxAttempts = 1_000_000, DrainTimeout = TimeSpan.FromMilliseconds(200) },
        };
        var lease = await new DatabaseLeases(database.DataSource, database.Dialect, TimeProvider.System)
            .TryAcquireAsync("relay/0", "tests", TimeSpan.FromSeconds(30), CancellationToken.None) ?? throw new InvalidOperationException("The lease is still held.");
        var store = await SqlOutboxStore.OpenAsync(source, 0, lease.Name, lease.Token, CancellationToken.None);
        return new Drain(lease, store, new PartitionDrainer(source, store, time ?? TimeProvider.System, (Microsoft.Extensions.Logging.ILogger?)log?.CreateLogger("Drain") ?? NullLogger.Instance, steps ?? StepSignals.None));
    }

    /// <summary>Stops it as a host would: what is on its way is finished.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Ended;
    }

    /// <summary>Leaves everything as a killed process would, its lease row included, and lets the lease run out.</summary>
    public async Task DieAsync(TestDatabase database)
    {
        await Ended.ContinueWith(_ => { }, TaskScheduler.Default);
        await _lease.AbandonAsync();
        await _store.DisposeAsync();
        _drainer.Dispose();
        await database.ExecuteAsync(database.Dialect.ReleaseLease, ("name", _lease.Name), ("token", _lease.Token));
    }

    /// <summary>Another relay takes the lease while this one still believes to hold it.</summary>
    public async Task<long> StealLeaseAsync(TestDatabase database)
    {
        await _lease.AbandonAsync();
        await database.ExecuteAsync("UPDATE leases SET token = token + 1, owner = 'thief' WHERE name = @name", ("name", _lease.Name));
        return await database.ScalarAsync<long>("SELECT token FROM leases WHERE name = @name", ("name", _lease.Name));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Ended.ContinueWith(_ => { }, TaskScheduler.Default);
        await _store.DisposeAsync();
        await _lease.DisposeAsync();
        _drainer.Dispose();
        _stop.Dispose();
    }
}

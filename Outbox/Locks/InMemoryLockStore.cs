namespace Outbox.Locks;

/// <summary>Leases in memory, by a monotonic clock.</summary>
internal sealed class InMemoryLockStore(TimeProvider time) : ILockStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);

    private sealed class Row
    {
        public string Owner { get; set; } = "";

        public long Token { get; set; }

        public long Ends { get; set; }

        public DateTime Since { get; set; }

        public HashSet<Waiter> Waiters { get; } = [];
    }

    private sealed class Waiter(InMemoryLockStore store, Row row, Action released) : IAsyncDisposable
    {
        public void Wake() => released();

        public ValueTask DisposeAsync()
        {
            lock (store._lock)
                row.Waiters.Remove(this);
            return ValueTask.CompletedTask;
        }
    }

    public string Provider => "memory";

    public string FenceOf(string name) => "memory/" + name;

    public Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            var row = RowOf(name);
            if (row.Ends > now)
                return Task.FromResult<Lease?>(null);
            (row.Owner, row.Token, row.Ends, row.Since) = (owner, row.Token + 1, now + Ticks(duration), time.GetUtcNow().UtcDateTime);
            return Task.FromResult<Lease?>(new Lease(this, name, row.Token, duration, now, time));
        }
    }

    public Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (!_rows.TryGetValue(name, out var row) || row.Token != token || row.Ends <= now)
                return Task.FromResult(false);
            row.Ends = now + Ticks(duration);
            return Task.FromResult(true);
        }
    }

    public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_rows.TryGetValue(name, out var row) && row.Token == token)
                Free(row);
        }
        return Task.CompletedTask;
    }

    public bool IsOutage(Exception exception) => false;

    public Task<IAsyncDisposable> ListenAsync(string name, string owner, Action released, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var row = RowOf(name);
            var waiter = new Waiter(this, row, released);
            row.Waiters.Add(waiter);
            return Task.FromResult<IAsyncDisposable>(waiter);
        }
    }

    // For the leases that run out, which nobody tells of.
    public TimeSpan PauseAfter(int attempt) => TimeSpan.FromMilliseconds(100);

    public Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<LockStanding>>(
            [
                .. _rows.Where(r => r.Value.Ends > now).OrderBy(r => r.Key, StringComparer.Ordinal)
                    .Select(r => new LockStanding(r.Key, r.Value.Owner, r.Value.Token, r.Value.Since, time.GetElapsedTime(now, r.Value.Ends), r.Value.Waiters.Count)),
            ]);
        }
    }

    public Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_rows.TryGetValue(name, out var row) || row.Ends <= time.GetTimestamp())
                return Task.FromResult(false);
            (row.Owner, row.Token) = (thief, row.Token + 1);
            Free(row);
            return Task.FromResult(true);
        }
    }

    /// <summary>Loses a lock, as a server does that loses its data. Its token goes on rising.</summary>
    internal void Forget(string name)
    {
        lock (_lock)
            Free(RowOf(name));
    }

    private Row RowOf(string name)
    {
        if (!_rows.TryGetValue(name, out var row))
            _rows.Add(name, row = new Row { Ends = long.MinValue });
        return row;
    }

    private static void Free(Row row)
    {
        row.Ends = long.MinValue;
        foreach (var waiter in row.Waiters)
            waiter.Wake();
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}

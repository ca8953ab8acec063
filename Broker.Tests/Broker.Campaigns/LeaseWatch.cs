using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Writes down who holds which partition, by looking into the leases again and again.</summary>
internal sealed class LeaseWatch : IAsyncDisposable
{
    /// <summary>How often it looks: what it tells is later than the truth by at most this much, and by what the machine is late.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private readonly Database _database;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly List<Holding> _holdings = [];
    private readonly Dictionary<int, Holding> _current = [];
    private readonly Task _watching;

    public LeaseWatch(Database database)
    {
        _database = database;
        _watching = Task.Run(WatchAsync);
    }

    /// <summary>A partition in one relay's hands.</summary>
    /// <param name="Partition">Which.</param>
    /// <param name="Owner">The relay.</param>
    /// <param name="Token">The fencing token.</param>
    /// <param name="At">When it was first seen so, as a time stamp.</param>
    internal sealed record Holding(int Partition, string Owner, long Token, long At)
    {
        public bool IsOf(Worker worker) => Owner.Contains(string.Create(CultureInfo.InvariantCulture, $"/{worker.Id}/"), StringComparison.Ordinal);
    }

    /// <summary>Who holds, or held last, each partition.</summary>
    public IReadOnlyList<Holding> Current
    {
        get
        {
            lock (_lock)
                return [.. _current.Values];
        }
    }

    /// <summary>Each time that a partition changed hands.</summary>
    public IReadOnlyList<Holding> Holdings
    {
        get
        {
            lock (_lock)
                return [.. _holdings];
        }
    }

    /// <summary>The time after which somebody else held a partition; null if that did not happen in time. Negative if it had been handed over just before.</summary>
    public async Task<TimeSpan?> TakeoverAsync(Holding lost, long since, TimeSpan within)
    {
        while (true)
        {
            lock (_lock)
            {
                if (_holdings.FirstOrDefault(h => h.Partition == lost.Partition && h.Token > lost.Token && h.Owner != lost.Owner) is { } taken)
                    return TimeProvider.System.GetElapsedTime(since, taken.At);
            }
            if (TimeProvider.System.GetElapsedTime(since) > within)
                return null;
            await Task.Delay(Interval);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        if (_database.Dialect == SqlDialect.Sqlite)
            await connection.Command("PRAGMA busy_timeout = 30000").ExecuteAsync(CancellationToken.None);
        while (!_stop.IsCancellationRequested)
        {
            var rows = await Database.QueryAsync(connection, "SELECT name, owner, token FROM leases WHERE name LIKE 'relay/%'");
            var at = TimeProvider.System.GetTimestamp();
            lock (_lock)
            {
                foreach (var row in rows)
                {
                    if (!int.TryParse(row[0]["relay/".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var partition))
                        continue;
                    var holding = new Holding(partition, row[1], long.Parse(row[2], CultureInfo.InvariantCulture), at);
                    if (_current.TryGetValue(partition, out var known) && known.Token == holding.Token)
                        continue;
                    _current[partition] = holding;
                    _holdings.Add(holding);
                }
            }
            await Task.Delay(Interval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}

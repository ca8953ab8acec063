using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Broker.Relay;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Benchmarks;

/// <summary>
/// Writers that do what services do, in every mixture: several keys in one transaction, waits before the commit, rollbacks, now and then a long transaction, rows without a key.
/// A relay reads all the while. At the end what arrived is compared with what was committed.
/// </summary>
/// <remarks>
/// Each key has an aggregate with a version that a transaction raises before it writes the event: a row lock that makes writers of one key take turns, as in a service.
/// So the versions of the committed events are 1, 2, 3 … for each key, and what arrives must be just that. The same seed gives the same plan; the engines' timing is their own.
/// </remarks>
internal sealed class WriterCampaign(SqlDialect dialect, DbDataSource dataSource, WriterCampaign.Plan plan)
{
    private const string Exchange = "events";
    private const string Type = "campaign.aggregate-changed.v1";

    private readonly ConcurrentBag<string> _errors = [];
    /// <summary>For what is still on its way when the writers have ended.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly ConcurrentQueue<string> _said = [];
    private readonly ConcurrentDictionary<Guid, byte> _unkeyed = new();
    private long _committed;
    private long _rolledBack;
    private long _longOnes;

    /// <summary>What is tried.</summary>
    internal sealed record Plan
    {
        public int Writers { get; init; } = 8;

        public int Keys { get; init; } = 24;

        public int Partitions { get; init; } = 1;

        public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(30);

        public int Seed { get; init; } = 1;

        /// <summary>The longest of the long transactions.</summary>
        public TimeSpan LongTransaction { get; init; } = TimeSpan.FromSeconds(2);

        /// <summary>The longest pause of a writer between two transactions.</summary>
        public TimeSpan Pause { get; init; } = TimeSpan.Zero;

        /// <summary>A SQLite file has one writer at a time: eight that never pause would keep it locked all the time, and whoever has to wait is served by chance.</summary>
        public Plan For(SqlDialect dialect) => dialect == SqlDialect.Sqlite ? this with { LongTransaction = LongTransaction / 10, Pause = TimeSpan.FromMilliseconds(150) } : this;
    }

    /// <summary>What came of it. <see cref="Faults"/> is empty if every promise was kept.</summary>
    /// <param name="Committed">Transactions.</param>
    /// <param name="RolledBack">Transactions.</param>
    /// <param name="Long">Long ones among them.</param>
    /// <param name="Arrived">Events.</param>
    /// <param name="Faults">Promises that were broken.</param>
    /// <param name="Said">The relay's warnings and errors.</param>
    internal sealed record Report(long Committed, long RolledBack, long Long, int Arrived, IReadOnlyList<string> Faults, IReadOnlyList<string> Said);

    public async Task<Report> RunAsync(CancellationToken cancellationToken)
    {
        await CreateAggregatesAsync(cancellationToken).ConfigureAwait(false);
        var transport = new InMemoryTransport();
        var arrived = new ConcurrentQueue<(Guid Id, string? Key, long Version)>();
        var known = new ConcurrentDictionary<Guid, byte>();
        var distinct = 0L;
        var expected = long.MaxValue;
        var drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var subscription = await transport.SubscribeAsync(new SubscriptionOptions { Queue = "campaign", Exchange = Exchange, Types = [Type], Prefetch = 1_000 }, async (delivery, _) =>
        {
            arrived.Enqueue((Guid.Parse(delivery.MessageId!), delivery.Headers.GetValueOrDefault(MessageHeaders.PartitionKey), long.Parse(Encoding.UTF8.GetString(delivery.Body.Span), CultureInfo.InvariantCulture)));
            if (known.TryAdd(Guid.Parse(delivery.MessageId!), 0) && Interlocked.Increment(ref distinct) >= Interlocked.Read(ref expected))
                drained.TrySetResult();
            await delivery.AcceptAsync().ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        using var stop = new CancellationTokenSource();
        var source = new RelaySource { Name = "campaign", Dialect = dialect, DataSource = dataSource, Transport = transport, Exchange = Exchange };
        var relay = new SourceRelay(source, "campaign", TimeProvider.System, new Ear(_said), StepSignals.None).RunAsync(stop.Token);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(plan.Duration);
        await Task.WhenAll(Enumerable.Range(0, plan.Writers).Select(writer => Task.Run(() => WriteAsync(writer, end.Token), CancellationToken.None))).ConfigureAwait(false);

        var versions = await VersionsAsync(cancellationToken).ConfigureAwait(false);
        // Told first and looked at then: the last one arrives before the one or the other.
        Interlocked.Exchange(ref expected, versions.Values.Sum() + _unkeyed.Count);
        if (Interlocked.Read(ref distinct) >= expected)
            drained.TrySetResult();
        await drained.Task.WaitAsync(Patience, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        // A little longer, for what should not come.
        await Task.Delay(500, cancellationToken).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await relay.ConfigureAwait(false);
        return new Report(_committed, _rolledBack, _longOnes, arrived.Count, [.. await FaultsAsync([.. arrived], versions, cancellationToken).ConfigureAwait(false)], [.. _said]);
    }

    private async Task WriteAsync(int writer, CancellationToken end)
    {
        var random = new Random(unchecked((plan.Seed * 1_000) + writer));
        while (!end.IsCancellationRequested)
        {
            // In order, so that the aggregates' own locks cannot deadlock: what does must be ours.
            var keys = Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(plan.Keys)).Distinct().Order().ToList();
            var commits = random.Next(10) > 0;
            var isLong = random.Next(100) == 0;
            var wait = isLong ? plan.LongTransaction * random.NextDouble() : TimeSpan.FromMilliseconds(random.Next(15));
            try
            {
                await WriteOnceAsync(keys, commits, wait).ConfigureAwait(false);
                Interlocked.Add(ref commits ? ref _committed : ref _rolledBack, 1);
                if (isLong)
                    Interlocked.Increment(ref _longOnes);
                await Task.Delay(plan.Pause * random.NextDouble(), CancellationToken.None).ConfigureAwait(false);
            }
            catch (DbException exception)
            {
                _errors.Add($"{(SqlErrors.IsTransient(exception) ? "transient" : "other")}: {SqlErrors.TextOf(exception)}");
            }
        }
    }

    private async Task WriteOnceAsync(List<int> keys, bool commits, TimeSpan wait)
    {
        var connection = await dataSource.OpenConnectionAsync(CancellationToken.None).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        if (dialect == SqlDialect.Sqlite)
            await connection.Command("PRAGMA busy_timeout = 30000").ExecuteAsync(CancellationToken.None).ConfigureAwait(false);
        // The engine's own default level: what most services use.
        var transaction = await connection.BeginTransactionAsync(CancellationToken.None).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        foreach (var key in keys)
        {
            await connection.Command("UPDATE campaign_aggregates SET version = version + 1 WHERE id = @id", transaction).With("id", key).ExecuteAsync(CancellationToken.None).ConfigureAwait(false);
            var version = Convert.ToInt64(await connection.Command("SELECT version FROM campaign_aggregates WHERE id = @id", transaction).With("id", key).ScalarAsync(CancellationToken.None).ConfigureAwait(false), CultureInfo.InvariantCulture);
            await InsertAsync(transaction, $"key-{key}", version).ConfigureAwait(false);
        }
        var unkeyed = keys.Count == 0 ? await InsertAsync(transaction, null, 0).ConfigureAwait(false) : Guid.Empty;
        await Task.Delay(wait).ConfigureAwait(false);
        if (!commits)
        {
            await transaction.RollbackAsync(CancellationToken.None).ConfigureAwait(false);
            return;
        }
        await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        if (unkeyed != Guid.Empty)
            _unkeyed.TryAdd(unkeyed, 0);
    }

    private async Task<Guid> InsertAsync(DbTransaction transaction, string? key, long version)
    {
        var id = Guid.CreateVersion7();
        await transaction.Connection!.Command(dialect.InsertMessage, transaction)
            .With("message_id", id).With("partition", (short)(key is null ? 0 : Outbox.Messages.Partitioner.PartitionOf(key, plan.Partitions)))
            .With("partition_key", key, DbType.String).With("key_sequence", key is null ? null : version, DbType.Int64).With("type", Type)
            .With("headers", null, DbType.String).With("content_type", "text/plain").With("body", Encoding.UTF8.GetBytes(version.ToString(CultureInfo.InvariantCulture)))
            .With("not_before", null, DbType.DateTime).With("expires_at", null, DbType.DateTime)
            .ExecuteAsync(CancellationToken.None).ConfigureAwait(false);
        return id;
    }

    private async Task<IEnumerable<string>> FaultsAsync((Guid Id, string? Key, long Version)[] arrived, Dictionary<string, long> versions, CancellationToken cancellationToken)
    {
        var faults = _errors.GroupBy(e => e).Select(e => $"{e.Count()} writers got an error: {e.Key}").ToList();
        // A relay that lost its lease, because it could not write for so long, repeats what was on its way: what an inbox is for. Without a takeover nothing comes twice.
        var copies = arrived.Length - arrived.DistinctBy(a => a.Id).Count();
        if (copies > 0 && !_said.Any(s => s.Contains("lost the lease", StringComparison.Ordinal)))
            faults.Add($"{copies} events came twice");
        foreach (var (key, version) in versions)
        {
            var got = arrived.Where(a => a.Key == key).DistinctBy(a => a.Id).Select(a => a.Version).ToList();
            if (!got.SequenceEqual(Enumerable.Range(1, (int)version).Select(v => (long)v)))
            {
                var wrong = got.Select((v, i) => (v, i)).FirstOrDefault(x => x.v != x.i + 1);
                faults.Add($"{key}: {got.Count} arrived of {version}; the first one out of order is version {wrong.v} at place {wrong.i + 1}");
            }
        }
        var ids = arrived.Where(a => a.Key is null).Select(a => a.Id).ToHashSet();
        if (!ids.SetEquals(_unkeyed.Keys))
            faults.Add($"without a key: {ids.Count} arrived of {_unkeyed.Count}");
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        if (Convert.ToInt64(await connection.Command("SELECT count(*) FROM outbox_messages").ScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) is > 0 and var left)
            faults.Add($"{left} rows are left in the outbox");
        return faults;
    }

    private async Task CreateAggregatesAsync(CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command($"UPDATE outbox_settings SET partitions = {plan.Partitions}").ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await connection.Command("CREATE TABLE campaign_aggregates (id int NOT NULL PRIMARY KEY, version bigint NOT NULL)").ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await connection.Command($"INSERT INTO campaign_aggregates (id, version) VALUES {string.Join(", ", Enumerable.Range(0, plan.Keys).Select(k => $"({k}, 0)"))}").ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<Dictionary<string, long>> VersionsAsync(CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command("SELECT id, version FROM campaign_aggregates ORDER BY id");
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var versions = new Dictionary<string, long>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            versions.Add($"key-{reader.GetInt32(0)}", reader.GetInt64(1));
        return versions;
    }

    private sealed class Ear(ConcurrentQueue<string> said) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                said.Enqueue(formatter(state, exception));
        }
    }
}

using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Services at work: each transaction raises the versions of an aggregate or two and writes an event for each, or writes one without a key; some roll back.</summary>
/// <remarks>
/// The row lock of the aggregate makes writers of one key take turns, so the versions of the committed events are 1, 2, 3 … for each key, and what arrives must be just that.
/// The same seed gives the same plan; the engines' timing is their own.
/// </remarks>
internal sealed class Writers(Database database, Writers.Plan plan)
{
    public const string Type = "campaign.aggregate-changed.v1";

    private readonly ConcurrentDictionary<Guid, Commit> _commits = new();
    private readonly ConcurrentBag<string> _errors = [];
    private long _rolledBack;

    internal sealed record Plan
    {
        public int Writers { get; init; } = 4;

        public int Keys { get; init; } = 60;

        public int Partitions { get; init; } = 1;

        /// <summary>Transactions a second, of all writers.</summary>
        public double Rate { get; init; } = 150;

        public int Seed { get; init; } = 1;

        /// <summary>Whether the writers' database is disturbed too: an error is then no fault, and its transaction was rolled back.</summary>
        public bool MayFail { get; init; }
    }

    /// <summary>An event that was committed.</summary>
    /// <param name="Key">Null for none.</param>
    /// <param name="Partition">Where its row lies.</param>
    /// <param name="At">A time stamp from just after the commit.</param>
    internal readonly record struct Commit(string? Key, short Partition, long At);

    /// <summary>The committed events by their ids.</summary>
    public IReadOnlyDictionary<Guid, Commit> Commits => _commits;

    public IEnumerable<string> Errors => _errors.GroupBy(e => e).Select(e => $"writers got {e.Count()} errors: {e.Key}");

    public long RolledBack => _rolledBack;

    public async Task CreateTablesAsync()
    {
        await database.ExecuteAsync("CREATE TABLE campaign_aggregates (id int NOT NULL PRIMARY KEY, version bigint NOT NULL)");
        await database.ExecuteAsync($"INSERT INTO campaign_aggregates (id, version) VALUES {string.Join(", ", Enumerable.Range(0, plan.Keys).Select(k => $"({k}, 0)"))}");
    }

    /// <summary>Writes until told to end; transactions under way are brought to their end.</summary>
    public Task RunAsync(CancellationToken end) =>
        Task.WhenAll(Enumerable.Range(0, plan.Writers).Select(writer => Task.Run(() => WriteAsync(writer, end), CancellationToken.None)));

    /// <summary>The last version of each key: how many of its events were committed.</summary>
    public async Task<Dictionary<string, long>> VersionsAsync() =>
        (await database.QueryAsync("SELECT id, version FROM campaign_aggregates ORDER BY id")).ToDictionary(r => $"key-{r[0]}", r => long.Parse(r[1], CultureInfo.InvariantCulture));

    private async Task WriteAsync(int writer, CancellationToken end)
    {
        var random = new Random(unchecked((plan.Seed * 1_000) + writer));
        while (!end.IsCancellationRequested)
        {
            // In order, so that the aggregates' own locks cannot deadlock.
            var keys = Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(plan.Keys)).Distinct().Order().ToList();
            var commits = random.Next(20) > 0;
            var partition = (short)random.Next(plan.Partitions);
            var pause = TimeSpan.FromSeconds(2 * random.NextDouble() * plan.Writers / plan.Rate);
            try
            {
                await WriteOnceAsync(keys, partition, commits);
            }
            catch (DbException exception)
            {
                if (!plan.MayFail)
                    _errors.Add(SqlErrors.TextOf(exception));
            }
            await Task.Delay(pause, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WriteOnceAsync(List<int> keys, short partition, bool commits)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        if (database.Dialect == SqlDialect.Sqlite)
            await connection.Command("PRAGMA busy_timeout = 30000").ExecuteAsync(CancellationToken.None);
        await using var transaction = await connection.BeginTransactionAsync();
        var events = new List<(Guid Id, string? Key, short Partition)>();
        foreach (var key in keys)
        {
            await connection.Command("UPDATE campaign_aggregates SET version = version + 1 WHERE id = @id", transaction).With("id", key).ExecuteAsync(CancellationToken.None);
            var version = Convert.ToInt64(await connection.Command("SELECT version FROM campaign_aggregates WHERE id = @id", transaction).With("id", key).ScalarAsync(CancellationToken.None), CultureInfo.InvariantCulture);
            var name = $"key-{key}";
            events.Add(await InsertAsync(transaction, name, Outbox.Messages.Partitioner.PartitionOf(name, plan.Partitions), version));
        }
        if (keys.Count == 0)
            events.Add(await InsertAsync(transaction, null, partition, 0));
        if (!commits)
        {
            await transaction.RollbackAsync();
            Interlocked.Increment(ref _rolledBack);
            return;
        }
        await transaction.CommitAsync();
        var at = TimeProvider.System.GetTimestamp();
        foreach (var (id, key, where) in events)
            _commits.TryAdd(id, new Commit(key, where, at));
    }

    private async Task<(Guid Id, string? Key, short Partition)> InsertAsync(DbTransaction transaction, string? key, short partition, long version)
    {
        var id = Guid.CreateVersion7();
        // By hand, as any program may.
        await transaction.Connection!.Command($"INSERT INTO outbox_messages (message_id, {database.PartitionColumn}, partition_key, key_sequence, type, content_type, body) VALUES (@id, @partition, @key, @version, @type, 'text/plain', @body)", transaction)
            .With("id", id).With("partition", partition).With("key", key, DbType.String).With("version", key is null ? null : version, DbType.Int64).With("type", Type)
            .With("body", Encoding.UTF8.GetBytes(version.ToString(CultureInfo.InvariantCulture)))
            .ExecuteAsync(CancellationToken.None);
        return (id, key, partition);
    }
}

using System.Data.Common;
using System.Globalization;
using Outbox.Inbox;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <content>A run of several batches: what it passes over, and what it must not.</content>
internal abstract partial class RetentionSuite
{
    private const int Kept = 3_000;
    private const int Chunks = 8;
    private const int Chunk = 300;

    /// <summary>Calls of sagas are kept for months among messages that are kept for days. Each time here belongs to more rows than a batch takes.</summary>
    [Test]
    public async Task A_run_passes_over_the_calls_that_are_kept_once_and_forgets_all_messages_between_them()
    {
        await FillAsync(Kept, "action", TimeSpan.FromDays(60));
        for (var i = 0; i < Chunks; i++)
        {
            await FillAsync(Chunk, "action", TimeSpan.FromDays(50 - i));
            await FillAsync(Chunk, "", TimeSpan.FromDays(50 - i));
        }
        var (source, read, batches) = (new WatchedDataSource(_database.DataSource, ReadEntries), 0L, 0);
        var gradual = new GradualDelete(new StandingTime()) { Deleted = (_, _) => (read, batches) = (ReadEntries(source.Connection!), batches + 1) };

        Assert.That(await gradual.RunAsync(source, dialect.DeleteOldInbox, Week, command => command.With("consumer", "stock"), None), Is.EqualTo(Chunks * Chunk));

        Assert.That(await _database.CountAsync("inbox_messages WHERE operation = ''"), Is.Zero);
        Assert.That(await _database.CountAsync("inbox_messages WHERE operation = 'action'"), Is.EqualTo(Kept + (Chunks * Chunk)));
        Assert.That(batches, Is.EqualTo(6));
        // Once, and for each batch the rows of the one time that it shares with the batch before. MySQL asks first where a batch will end.
        var passes = dialect == SqlDialect.MySql ? 2 : 1;
        Assert.That(read - source.Before, Is.LessThan(passes * (Kept + ((Chunks + batches) * 2 * Chunk))), $"each batch by itself would have been {passes * batches * Kept} and more");
    }

    [Test]
    public async Task Decisions_that_all_followed_are_forgotten_and_those_that_somebody_has_to_look_at_are_not()
    {
        foreach (var (id, outcome, days) in new[] { ("a", "committed", 8), ("b", "committed", 9), ("c", "rolled-back", 8), ("d", "committed", 1), ("e", "heuristic", 8), ("f", null, 8) })
        {
            await _database.ExecuteAsync(
                $"INSERT INTO transaction_decisions (transaction_id, coordinator, decision, decided_by, branches, outcome, decided_at) VALUES (@id, 'orders', 'commit', 'tests', '[]', {(outcome is null ? "NULL" : $"'{outcome}'")}, {_database.Time(TimeSpan.FromDays(-days))})", ("id", id));
        }

        Assert.That(await RunAsync("committed"), Is.EqualTo(2));
        Assert.That(await RunAsync("rolled-back"), Is.EqualTo(1));

        Assert.That((await _database.QueryAsync("SELECT transaction_id FROM transaction_decisions ORDER BY transaction_id")).Select(r => r[0]), Is.EqualTo(new[] { "d", "e", "f" }));

        Task<long> RunAsync(string outcome) => new GradualDelete(new StandingTime()).RunAsync(_database.DataSource, dialect.DeleteOldDecisions, Week, command => command.With("outcome", outcome), None);
    }

    [Test]
    public async Task Discarded_letters_are_forgotten_by_a_run_of_several_batches_and_others_between_them_are_not()
    {
        for (var i = 0; i < 500; i++)
        {
            await _database.ExecuteAsync(
                $"INSERT INTO dead_letters (side, consumer, message_id, type, body, reason, attempts, state, last_failed_at) VALUES ('consumer', 'stock', @id, 'tests.dead.v1', @body, 'tests', 1, '{(i % 5 == 0 ? "dead" : "discarded")}', {_database.Time(TimeSpan.FromDays(i % 5 == 1 ? -1 : -8))})",
                ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        }

        Assert.That(await new GradualDelete(new StandingTime()).RunByIdAsync(_database.DataSource, dialect.DeleteDiscardedLetters, Week, None), Is.EqualTo(300));

        Assert.That(await _database.CountAsync("dead_letters WHERE state = 'dead'"), Is.EqualTo(100));
        Assert.That(await _database.CountAsync("dead_letters"), Is.EqualTo(200), "and those that are young");
    }

    /// <summary>How many entries of the index by age were read: by this session on MySQL, by anybody on PostgreSQL. Elsewhere the engine does not tell.</summary>
    private long ReadEntries(DbConnection connection)
    {
        if (dialect == SqlDialect.PostgreSql)
        {
            Scalar("SELECT count(*) FROM (SELECT pg_stat_force_next_flush()) AS flush");
            return Scalar("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'ix_inbox_messages_received_at'");
        }
        return dialect == SqlDialect.MySql ? Scalar("SELECT sum(variable_value) FROM information_schema.session_status WHERE variable_name IN ('Handler_read_next', 'Handler_read_rnd_next')") : 0;

        long Scalar(string sql)
        {
            using var command = connection.Command(sql);
            return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Rows of one time.</summary>
    private async Task FillAsync(int rows, string operation, TimeSpan age)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation);
        for (var left = rows; left > 0; left -= Chunk)
            await DbTransactionInbox.Instance.TryAddAsync(transaction, "new", [.. Enumerable.Range(0, Math.Min(left, Chunk)).Select(_ => Guid.CreateVersion7())], None);
        await connection.Command($"UPDATE inbox_messages SET consumer = 'stock', operation = @operation, received_at = {_database.Time(-age)} WHERE consumer = 'new'", transaction).With("operation", operation).ExecuteAsync(None);
        await transaction.CommitAsync();
    }

    /// <summary>A clock that stands, so that batches grow as if no time was lost by them; its timers are due at once.</summary>
    private sealed class StandingTime : TimeProvider
    {
        public override long GetTimestamp() => 0;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => System.CreateTimer(callback, state, TimeSpan.Zero, period);
    }

    /// <summary>Remembers the connection that it gave, and what was read before.</summary>
    private sealed class WatchedDataSource(DbDataSource inner, Func<DbConnection, long> read) : DbDataSource
    {
        public DbConnection? Connection { get; private set; }

        public long Before { get; private set; }

        public override string ConnectionString => inner.ConnectionString;

        protected override DbConnection CreateDbConnection() => inner.CreateConnection();

        protected override async ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
        {
            Connection = await inner.OpenConnectionAsync(cancellationToken);
            Before = read(Connection);
            return Connection;
        }
    }
}

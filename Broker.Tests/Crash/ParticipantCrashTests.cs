using System.Data.Common;
using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using MySqlConnector;
using Npgsql;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>The server of a participant, killed at every step of a transaction and started again: beside a server of another engine that stays.</summary>
[TestFixture("postgres"), TestFixture("mariadb")]
internal sealed class ParticipantCrashTests(string engine)
{
    private static readonly string[] Steps = ["after-enlist:second", "before-prepare:second", "after-prepare:second", "before-decision", "after-decision", "before-commit:second", "after-commit:second"];

    private readonly bool _isPostgreSql = engine == "postgres";

    [Test, Category("Alone")]
    public async Task Whatever_step_its_server_dies_at_both_end_on_the_side_of_the_decision()
    {
        await using var first = await TestDatabase.CreateAsync(_isPostgreSql ? SqlDialect.MySql : SqlDialect.PostgreSql);
        using var server = OwnServer.Start(engine);
        await using var second = Connect(server.Port);
        await using (var connection = await second.OpenConnectionAsync())
        {
            await OutboxSchema.CreateAsync(connection, "The test", CancellationToken.None);
            await CreateAccountsAsync(connection);
        }
        await using (var connection = await first.DataSource.OpenConnectionAsync())
            await CreateAccountsAsync(connection);
        var death = new Death(server);
        // One decides in the server that dies, the other elsewhere: two transactions at each death.
        await using var here = Coordinate(first, second, "second", death);
        await using var there = Coordinate(first, second, "first", death);
        TransactionCoordinator[] coordinators = [here, there];
        var ends = new List<(string What, int Account, TransactionOutcome? Outcome)>();
        foreach (var step in Steps)
        {
            death.At = step;
            ends.AddRange(await Task.WhenAll(coordinators.Select(async (coordinator, i) =>
            {
                var account = (2 * Array.IndexOf(Steps, step)) + i;
                return ($"{step}, decided in the {(i == 0 ? "second" : "first")}", account, await TryAsync(coordinator, account, death));
            })));
            Assert.That(await death.EndAsync(), Is.EqualTo(2), $"transactions that came to {step}");
            await Eventually.IsTrueAsync(() => AnswersAsync(second), "the server is back");
        }

        foreach (var coordination in coordinators.Select(c => c.Coordination))
            await Eventually.IsTrueAsync(() => IsFinishedAsync(coordination), "nothing is left to recover");

        foreach (var (what, account, outcome) in ends)
        {
            var sent = 1_000 - await BalanceAsync(first.DataSource, account);
            Assert.That(await BalanceAsync(second, account) - 1_000, Is.EqualTo(sent), $"{what}: all or nothing");
            if (outcome is TransactionOutcome.Committed)
                Assert.That(sent, Is.EqualTo(10), $"{what} was told committed");
            if (outcome is null or TransactionOutcome.RolledBack)
                Assert.That(sent, Is.Zero, $"{what} was told rolled back");
        }
        Assert.That(ends.TakeLast(2).Select(e => e.Outcome), Is.All.InstanceOf<TransactionOutcome.Committed>(), "both had committed everywhere");
        foreach (var coordination in coordinators.Select(c => c.Coordination))
            Assert.That(await coordination.Store.ListAsync(onlyHeuristic: true, 100, CancellationToken.None), Is.Empty, "no branch went its own way");
    }

    /// <summary>The death of the server, when both transactions have come to a step.</summary>
    private sealed class Death(OwnServer server)
    {
        private TaskCompletionSource _both = NewSignal();
        private Task _back = Task.CompletedTask;
        private string _at = "";
        private int _came;
        private int _arrived;

        public string At
        {
            set => (_at, _both, _came, _arrived) = (value, NewSignal(), 0, 0);
        }

        /// <summary>A transaction has come to a step. Returns when the server is dead, if it is this one.</summary>
        public async ValueTask ReachAsync(TransactionStep step)
        {
            if (step.ToString() != _at)
                return;
            Interlocked.Increment(ref _came);
            Arrive();
            await _both.Task;
        }

        /// <summary>A transaction has ended. If it has not come to the step, the other need not wait for it.</summary>
        public void Leave() => Arrive();

        /// <summary>Waits until the server has been started again. Returns how many had come to the step.</summary>
        public async Task<int> EndAsync()
        {
            await _back;
            _at = "";
            return _came;
        }

        private void Arrive()
        {
            if (Interlocked.Increment(ref _arrived) != 2)
                return;
            server.Kill();
            _back = Task.Run(server.Start);
            _both.SetResult();
        }

        private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private DbDataSource Connect(int port) => _isPostgreSql
        ? NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = port, Username = "postgres", Database = "postgres", Timeout = 3, CommandTimeout = 5 })
        : new MySqlDataSource(new MySqlConnectionStringBuilder { Server = "127.0.0.1", Port = (uint)port, UserID = "broker", Password = "broker", Database = "mysql", ConnectionTimeout = 3, DefaultCommandTimeout = 5 }.ConnectionString);

    private static TransactionCoordinator Coordinate(TestDatabase first, DbDataSource second, string decidesIn, Death death)
    {
        var builder = new TwoPhaseCommitBuilder("k" + Guid.CreateVersion7().ToString("N")[^14..]).AddParticipant("first", first.DataSource).AddParticipant("second", second).DecideIn(decidesIn);
        builder.Options.Patience = TimeSpan.FromSeconds(2);
        builder.Options.Reached = death.ReachAsync;
        return new TransactionCoordinator(builder.Build(null!, TimeProvider.System, NullLogger.Instance), services: null);
    }

    private static async Task CreateAccountsAsync(DbConnection connection)
    {
        await connection.Command("CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL)").ExecuteAsync(CancellationToken.None);
        for (var id = 0; id < 2 * Steps.Length; id++)
            await connection.Command("INSERT INTO accounts (id, balance) VALUES (@id, 1000)").With("id", id).ExecuteAsync(CancellationToken.None);
    }

    private static async Task<long> BalanceAsync(DbDataSource source, int account)
    {
        await using var command = source.CreateCommand(FormattableString.Invariant($"SELECT balance FROM accounts WHERE id = {account}"));
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<TransactionOutcome?> TryAsync(TransactionCoordinator coordinator, int account, Death death)
    {
        try
        {
            await using var transaction = await coordinator.BeginAsync(TimeSpan.FromSeconds(20));
            await TestTransfers.MoveAsync(transaction, account);
            return await transaction.CommitAsync();
        }
        catch (Exception exception) when (SqlErrors.IsUnavailable(exception))
        {
            // The work itself has met the death of the server.
            return null;
        }
        finally
        {
            death.Leave();
        }
    }

    /// <summary>Recovers once, and says whether nothing is prepared and every decision is followed.</summary>
    private static async Task<bool> IsFinishedAsync(Coordination coordination)
    {
        await new TransactionRecovery(coordination).RunAsync(CancellationToken.None);
        foreach (var participant in coordination.Participants)
        {
            if ((await participant.ListPreparedAsync(coordination.Name, CancellationToken.None)).Count > 0)
                return false;
        }
        return (await coordination.Store.ListUnfinishedAsync(TimeSpan.Zero, 100, CancellationToken.None)).Count == 0;
    }

    /// <summary>Whether the server answers; and if so, no connection of the pool is one to a dead one.</summary>
    private static async Task<bool> AnswersAsync(DbDataSource source)
    {
        try
        {
            (source as NpgsqlDataSource)?.Clear();
            await using var command = source.CreateCommand("SELECT 1");
            return await command.ExecuteScalarAsync() is not null;
        }
        catch (DbException)
        {
            return false;
        }
    }
}

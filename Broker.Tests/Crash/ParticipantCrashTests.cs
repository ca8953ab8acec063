using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>The server of a participant, killed at every step of a transaction and started again.</summary>
internal sealed class ParticipantCrashTests
{
    private static readonly string[] Steps = ["before-prepare:second", "after-prepare:second", "before-decision", "after-decision", "before-commit:second", "after-commit:second"];

    [Test, Category("Alone")]
    public async Task Whatever_step_its_server_dies_at_both_end_on_the_side_of_the_decision([Values] bool decides)
    {
        TestServers.MariaDb();
        using var server = OwnServer.Start("postgres");
        await using var first = await TestDatabase.CreateAsync(SqlDialect.MySql);
        await using var second = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = server.Port, Username = "postgres", Database = "postgres", Timeout = 3, CommandTimeout = 5 });
        await using (var connection = await second.OpenConnectionAsync())
        {
            await OutboxSchema.CreateAsync(connection, "The test", CancellationToken.None);
            await connection.Command("CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL)").ExecuteAsync(CancellationToken.None);
            await connection.Command($"INSERT INTO accounts SELECT i, 1000 FROM generate_series(0, {Steps.Length - 1}) AS i").ExecuteAsync(CancellationToken.None);
        }
        await first.ExecuteAsync("CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL)");
        for (var i = 0; i < Steps.Length; i++)
            await first.ExecuteAsync("INSERT INTO accounts (id, balance) VALUES (@id, 1000)", ("id", i));
        var at = "";
        var back = Task.CompletedTask;
        var builder = new TwoPhaseCommitBuilder("k" + Guid.CreateVersion7().ToString("N")[^14..]).AddParticipant("first", first.DataSource).AddParticipant("second", second).DecideIn(decides ? "second" : "first");
        builder.Options.Patience = TimeSpan.FromSeconds(2);
        builder.Options.Reached = step =>
        {
            if (step.ToString() == at)
            {
                server.Kill();
                back = Task.Run(server.Start);
            }
            return ValueTask.CompletedTask;
        };
        var coordination = builder.Build(null!, TimeProvider.System, NullLogger.Instance);
        await using var coordinator = new TransactionCoordinator(coordination, services: null);
        var outcomes = new List<(string Step, TransactionOutcome? Outcome)>();
        for (var i = 0; i < Steps.Length; i++)
        {
            at = Steps[i];
            outcomes.Add((at, await TryAsync(coordinator, i)));
            at = "";
            await back;
            await Eventually.IsTrueAsync(() => AnswersAsync(second), "the server is back");
        }

        var recovery = new TransactionRecovery(coordination);
        await Eventually.IsTrueAsync(
            async () =>
            {
                await recovery.RunAsync(CancellationToken.None);
                foreach (var participant in coordination.Participants)
                {
                    if ((await participant.ListPreparedAsync(coordination.Name, CancellationToken.None)).Count > 0)
                        return false;
                }
                return true;
            },
            "nothing is left prepared");

        for (var i = 0; i < Steps.Length; i++)
        {
            var sent = 1_000 - await first.ScalarAsync<long>("SELECT balance FROM accounts WHERE id = @id", ("id", i));
            await using var balance = second.CreateCommand(FormattableString.Invariant($"SELECT balance FROM accounts WHERE id = {i}"));
            Assert.That((long)(await balance.ExecuteScalarAsync())! - 1_000, Is.EqualTo(sent), $"{Steps[i]}: all or nothing");
            var (step, outcome) = outcomes[i];
            if (outcome is TransactionOutcome.Committed)
                Assert.That(sent, Is.EqualTo(10), $"{step} was told committed");
            if (outcome is null or TransactionOutcome.RolledBack)
                Assert.That(sent, Is.Zero, $"{step} was told rolled back");
        }
        Assert.That(outcomes[^1].Outcome, Is.InstanceOf<TransactionOutcome.Committed>());
    }

    private static async Task<TransactionOutcome?> TryAsync(TransactionCoordinator coordinator, int account)
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
    }

    private static async Task<bool> AnswersAsync(NpgsqlDataSource source)
    {
        try
        {
            await using var command = source.CreateCommand("SELECT 1");
            return await command.ExecuteScalarAsync() is 1;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}

using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using MySqlConnector;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>MariaDB after a reset of the session that has prepared, as a pool does it: XA COMMIT of another session answers OK and commits nothing. On a server of its own, because the branch holds its locks until a restart.</summary>
internal sealed class LostBranchTests
{
    [Test, Category("Alone")]
    public async Task A_commit_that_MariaDB_confirms_is_not_believed_without_its_marker_and_is_made_good_after_a_restart()
    {
        using var server = OwnServer.Start("mariadb");
        await using var decisions = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await using var wallet = new MySqlDataSource(new MySqlConnectionStringBuilder { Server = "127.0.0.1", Port = (uint)server.Port, UserID = "broker", Password = "broker", Database = "mysql" }.ConnectionString);
        await using (var connection = await wallet.OpenConnectionAsync())
        {
            await OutboxSchema.CreateAsync(connection, "The test", CancellationToken.None);
            await connection.Command("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)").ExecuteAsync(CancellationToken.None);
            await connection.Command("INSERT INTO accounts VALUES (1, 1000)").ExecuteAsync(CancellationToken.None);
        }
        var coordination = new TwoPhaseCommitBuilder("l" + Guid.CreateVersion7().ToString("N")[^14..]).AddParticipant("wallet", wallet).AddParticipant("decisions", decisions.DataSource).DecideIn("decisions")
            .Build(null!, TimeProvider.System, NullLogger.Instance);
        var (origin, incarnation, now) = await coordination.Store.LookAsync(CancellationToken.None);
        var id = TransactionId.New(coordination.Name, origin, incarnation, now);
        var statements = SqlDialect.MySql.Branches!;
        await using var session = await wallet.OpenConnectionAsync();
        foreach (var sql in new[] { statements.Begin(id, "wallet"), "UPDATE accounts SET balance = balance - 10", $"INSERT INTO transaction_markers (transaction_id, branch) VALUES ('{id}', 'wallet')", statements.End(id, "wallet"), statements.Prepare(id, "wallet") })
            await session.Command(sql).ExecuteAsync(CancellationToken.None);
        await coordination.Store.DecideAsync(new Decision(id, IsCommit: true, null, "a service", [new BranchRecord("wallet", BranchRecord.Yes)]), CancellationToken.None);
        await session.ResetConnectionAsync();
        var recovery = new TransactionRecovery(coordination);

        await SettlesAsync(recovery, coordination, id, Decision.Heuristic);

        Assert.That((await recovery.LookAtAsync(id, ["wallet"], CancellationToken.None)).Single().State, Is.EqualTo(Decision.RolledBack), "no marker, nothing prepared");
        server.Kill();
        server.Start();
        await SettlesAsync(recovery, coordination, id, Decision.Committed);
        await using var balance = wallet.CreateCommand("SELECT balance FROM accounts");
        Assert.That(await balance.ExecuteScalarAsync(), Is.EqualTo(990L));
    }

    private static Task SettlesAsync(TransactionRecovery recovery, Coordination coordination, TransactionId id, string outcome) => Eventually.EqualsAsync(
        async () =>
        {
            await recovery.RunAsync(CancellationToken.None);
            return (await coordination.Store.FindAsync(id, CancellationToken.None))!.Outcome;
        },
        outcome, "what recovery says");
}

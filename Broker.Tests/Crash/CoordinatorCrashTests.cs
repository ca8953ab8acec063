using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using MySqlConnector;
using Npgsql;
using Outbox;
using Outbox.Etcd;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>The sample's own process, killed with a signal that nobody can catch.</summary>
internal sealed class CoordinatorCrashTests
{
    private readonly string _database = TestServers.NewName("transfer").Replace('-', '_');

    private string _postgreSql = "";
    private string _mySql = "";

    [SetUp]
    public async Task FindServersAsync() => (_postgreSql, _mySql) = (await TestServers.PostgreSqlAsync(), TestServers.MariaDb());

    [TearDown]
    public async Task RemoveAsync()
    {
        if (_mySql.Length == 0)
            return;
        await RollBackAsync();
        await using (var server = NpgsqlDataSource.Create(_postgreSql))
        {
            await using var drop = server.CreateCommand($"DROP DATABASE IF EXISTS {_database} WITH (FORCE)");
            await drop.ExecuteNonQueryAsync();
        }
        await using (var server = new MySqlDataSource(_mySql))
        {
            await using var drop = server.CreateCommand($"DROP DATABASE IF EXISTS {_database}");
            await drop.ExecuteNonQueryAsync();
        }
    }

    [Test]
    public async Task The_sample_moves_money_and_survives_its_own_death_before_and_after_the_decision()
    {
        Assert.That(Run("two-phase").Output, Does.Contain("after: ledger 990, wallet 1010, together 2000"));
        Assert.That(Run("two-phase", "--amount", "3000").Output, Does.Contain("refused").And.Contain("after: ledger 990, wallet 1010, together 2000").And.Not.Contain("   at "));
        Assert.That(Run("two-phase", "--amount", "0", "--crash-at", "after-rollback").Output, Does.Contain("without coming to the step after-rollback"));

        Assert.That(Run("two-phase", "--crash-at", "after-prepare:wallet").Output, Does.Contain("killed at after-prepare:wallet"));
        Assert.That(Run("recover").Output, Does.Contain("recovered: ledger 990, wallet 1010, together 2000"));
        Assert.That(Run("two-phase", "--crash-at", "after-decision").Output, Does.Contain("killed at after-decision"));

        Assert.That(Run("recover").Output, Does.Contain("recovered: ledger 980, wallet 1020, together 2000"));
        await using var ledger = Ledger();
        Assert.That(await new Participant("ledger", ledger, SqlDialect.PostgreSql, isLastResource: false).ListPreparedAsync("transfers", CancellationToken.None), Is.Empty);
    }

    [Test]
    public void A_step_that_no_transfer_comes_to_is_refused_before_money_moves()
    {
        var (code, output) = Run("two-phase", "--crash-at", "after-lunch");

        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Contain("before-prepare:ledger").And.Not.Contain("before: ledger").And.Not.Contain("Exception"));
    }

    [TestCase("before-decision", false)]
    [TestCase("after-decision", true)]
    public async Task With_the_decision_in_etcd_another_worker_finishes_what_a_dead_coordinator_left_within_its_deadline_and_two_seconds(string at, bool isCommitted)
    {
        var etcd = TestServers.Etcd();
        Assert.That(Run("two-phase", "--etcd", etcd[0], "--crash-at", at).Output, Does.Contain($"killed at {at}"));
        await using var ledger = Ledger();
        await using var wallet = Wallet();
        var coordination = Of(ledger, wallet, etcd);
        var orphan = (await coordination.Find("ledger")!.ListPreparedAsync("transfers", CancellationToken.None)).Single();

        using var another = new RecoveryService(coordination);
        await another.StartAsync(CancellationToken.None);
        await Eventually.IsTrueAsync(
            async () => (await coordination.Find("ledger")!.ListPreparedAsync("transfers", CancellationToken.None)).Count == 0 && (await coordination.Find("wallet")!.ListPreparedAsync("transfers", CancellationToken.None)).All(b => b.Id != orphan.Id),
            "both branches are finished");
        var late = TimeProvider.System.GetUtcNow().UtcDateTime - orphan.Id.Deadline;
        await another.StopAsync(CancellationToken.None);

        Assert.That(late, Is.LessThan(TimeSpan.FromSeconds(2)));
        await using var balance = ledger.CreateCommand("SELECT balance FROM accounts WHERE id = 1");
        Assert.That(await balance.ExecuteScalarAsync(), Is.EqualTo(isCommitted ? 990L : 1000L));
    }

    /// <summary>No test leaves a branch behind, a failed one neither.</summary>
    private async Task RollBackAsync()
    {
        await using var ledger = Ledger();
        await using var wallet = Wallet();
        try
        {
            var origins = new List<string> { (await Of(ledger, wallet, null).Store.LookAsync(CancellationToken.None)).Origin };
            if (Environment.GetEnvironmentVariable("BROKER_TEST_ETCD") is { Length: > 0 } etcd)
                origins.Add((await Of(ledger, wallet, etcd.Split(',')).Store.LookAsync(CancellationToken.None)).Origin);
            foreach (var participant in Of(ledger, wallet, null).Participants)
            {
                foreach (var branch in (await participant.ListPreparedAsync("transfers", CancellationToken.None)).Where(b => participant.Name == "ledger" || origins.Contains(b.Id.Origin)))
                {
                    await using var connection = await participant.DataSource.OpenConnectionAsync();
                    await connection.Command(participant.Dialect.Branches!.Rollback(branch.Id, participant.Name)).ExecuteAsync(CancellationToken.None);
                }
            }
        }
        catch (Exception exception) when (exception is OutboxConfigurationException or PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName })
        {
            // It has not come to a database, or to tables.
        }
    }

    private NpgsqlDataSource Ledger() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_postgreSql) { Database = _database });

    private MySqlDataSource Wallet() => new(new MySqlConnectionStringBuilder(_mySql) { Database = _database }.ConnectionString);

    private static Coordination Of(NpgsqlDataSource ledger, MySqlDataSource wallet, string[]? etcd)
    {
        var builder = new TwoPhaseCommitBuilder("transfers").AddParticipant("ledger", ledger).AddParticipant("wallet", wallet);
        return (etcd is null ? builder : builder.DecideInEtcd(etcd)).Build(null!, TimeProvider.System, NullLogger.Instance);
    }

    private (int Code, string Output) Run(params string[] arguments) => TestServers.Start("dotnet", [BuiltProgram.Path("Transfer"), .. arguments, "--postgresql", _postgreSql, "--mysql", _mySql, "--database", _database]);
}

using System.Data.Common;
using Broker.Tests.Support;
using MySqlConnector;
using Npgsql;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>What a coordinator says of a transaction when an answer does not come. It may not know; it may not be wrong.</summary>
// Each test has databases and proxies of its own, and mostly waits.
[Parallelizable(ParallelScope.All)]
internal sealed class LostReplyTests
{
    private static readonly TestTransfers.Pairing Both = new(SqlDialect.MySql, SqlDialect.PostgreSql, SecondDecides: true);
    private static readonly TestTransfers.Pairing Last = new(SqlDialect.MySql, SqlDialect.PostgreSql, SecondIsLast: true);

    /// <summary>The participants behind proxies of their own.</summary>
    private sealed class Network : IAsyncDisposable
    {
        private readonly Dictionary<string, TcpProxy> _proxies = [];
        private readonly Dictionary<string, DbDataSource> _sources = [];

        public TcpProxy this[string participant] => _proxies[participant];

        public DbDataSource Through(string participant, TestDatabase database)
        {
            var (host, port) = database.Dialect == SqlDialect.PostgreSql
                ? (new NpgsqlConnectionStringBuilder(database.ConnectionString).Host!, new NpgsqlConnectionStringBuilder(database.ConnectionString).Port)
                : (new MySqlConnectionStringBuilder(database.ConnectionString).Server, (int)new MySqlConnectionStringBuilder(database.ConnectionString).Port);
            var proxy = _proxies[participant] = TcpProxy.To(host, port);
            DbDataSource source = database.Dialect == SqlDialect.PostgreSql
                ? NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Host = "127.0.0.1", Port = proxy.Port, Timeout = 2 })
                : new MySqlDataSource(new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)proxy.Port, ConnectionTimeout = 2 }.ConnectionString);
            return _sources[participant] = source;
        }

        /// <summary>Leaves a connection in the pool, so that the next one who asks needs no answer to begin.</summary>
        public async Task WarmAsync(string participant) => await (await _sources[participant].OpenConnectionAsync()).DisposeAsync();

        public async ValueTask DisposeAsync()
        {
            foreach (var source in _sources.Values)
                await source.DisposeAsync();
            foreach (var proxy in _proxies.Values)
                await proxy.DisposeAsync();
        }
    }

    [Test]
    public async Task A_decision_whose_reply_is_lost_is_asked_for_again([Values] bool isLast)
    {
        await using var network = new Network();
        TestTransfers? transfers = null;
        var losing = Task.CompletedTask;
        transfers = await TestTransfers.CreateAsync(isLast ? Last : Both, through: network.Through, configure: options => options.Reached = async step =>
        {
            if (step.ToString() == (isLast ? "before-commit:second" : "before-decision"))
            {
                await network.WarmAsync("second");
                network["second"].DropReplies();
                losing = LoseUntilAsync(network["second"], async () => await transfers!.Second.CountAsync("transaction_decisions") == 1);
            }
        });
        await using var _ = transfers;

        var outcome = await transfers.TransferAsync();

        await losing;
        Assert.That(outcome, Is.InstanceOf<TransactionOutcome.Committed>());
        await transfers.RecoverAsync();
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance - 10, TestTransfers.Balance + 10)));
    }

    // Of PostgreSQL's, which is one statement; on MariaDB the reply to XA END would be lost before it.
    [TestCase("second")]
    public async Task A_vote_whose_reply_is_lost_counts_as_none_and_what_was_prepared_is_rolled_back(string participant)
    {
        await using var network = new Network();
        TestTransfers? transfers = null;
        var losing = Task.CompletedTask;
        transfers = await TestTransfers.CreateAsync(Both, through: network.Through, configure: options => options.Reached = step =>
        {
            if (step.ToString() == $"before-prepare:{participant}")
            {
                network[participant].DropReplies();
                var database = participant == "first" ? transfers!.First : transfers!.Second;
                var direct = new Participant(participant, database.DataSource, database.Dialect, isLastResource: false);
                losing = LoseUntilAsync(network[participant], async () => (await direct.ListPreparedAsync(transfers.Name, CancellationToken.None)).Count == 1);
            }
            return ValueTask.CompletedTask;
        });
        await using var _ = transfers;

        var outcome = await transfers.TransferAsync();

        await losing;
        Assert.That(outcome, Is.InstanceOf<TransactionOutcome.RolledBack>());
        await transfers.RecoverAsync();
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance, TestTransfers.Balance)));
    }

    [Test]
    public async Task A_commit_of_the_second_phase_whose_reply_is_lost_is_settled_by_its_marker([Values("first", "second")] string participant)
    {
        await using var network = new Network();
        TestTransfers? transfers = null;
        var losing = Task.CompletedTask;
        transfers = await TestTransfers.CreateAsync(Both, through: network.Through, configure: options => options.Reached = step =>
        {
            if (step.ToString() == $"before-commit:{participant}")
            {
                network[participant].DropReplies();
                losing = LoseUntilAsync(network[participant], async () => await (participant == "first" ? transfers!.First : transfers!.Second).CountAsync("transaction_markers") == 1);
            }
            return ValueTask.CompletedTask;
        });
        await using var _ = transfers;

        var outcome = await transfers.TransferAsync();

        await losing;
        Assert.That(outcome, Is.InstanceOf<TransactionOutcome.Committed>().With.Property(nameof(TransactionOutcome.Committed.Unfinished)).EqualTo(new[] { participant }));
        await transfers.RecoverAsync();
        Assert.That(await transfers.DecisionAsync(outcome.TransactionId), Is.EqualTo(("commit", Decision.Committed)));
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance - 10, TestTransfers.Balance + 10)));
    }

    [Test]
    public async Task A_decision_that_nobody_answers_for_is_in_doubt_and_then_known([Values] bool isLast, [Values] bool isCut)
    {
        await using var network = new Network();
        TestTransfers? transfers = null;
        transfers = await TestTransfers.CreateAsync(isLast ? Last : Both, through: network.Through, configure: options =>
        {
            options.Patience = TimeSpan.FromSeconds(1);
            options.Reached = step =>
            {
                if (step.ToString() == (isLast ? "before-commit:second" : "before-decision"))
                {
                    if (isCut)
                        network["second"].Cut(refuse: true);
                    else
                        network["second"].DropReplies();
                }
                return ValueTask.CompletedTask;
            };
        });
        await using var _ = transfers;
        var id = "";

        await using (var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(2)))
        {
            id = transaction.Id;
            await TestTransfers.MoveAsync(transaction);
            Assert.That(await transaction.CommitAsync(), Is.InstanceOf<TransactionOutcome.InDoubt>());
        }

        network["second"].Cut();
        network["second"].Resume();
        await transfers.RecoverAsync();
        await Eventually.IsTrueAsync(async () => await transfers.PreparedAsync() == 0, "nothing is left");
        var moved = await transfers.BalancesAsync() == (TestTransfers.Balance - 10, TestTransfers.Balance + 10);
        if (isCut)
            Assert.That(moved, Is.False, "a decision that has not arrived never will");
        Assert.That(await transfers.Coordinator.FindOutcomeAsync(id), moved ? Is.InstanceOf<TransactionOutcome.Committed>() : Is.InstanceOf<TransactionOutcome.RolledBack>());
    }

    /// <summary>Waits until what was sent has taken effect; then the connections break, and new ones are good.</summary>
    private static Task LoseUntilAsync(TcpProxy proxy, Func<Task<bool>> hasArrivedAsync) => Task.Run(async () =>
    {
        await Eventually.IsTrueAsync(hasArrivedAsync, "what was sent takes effect");
        proxy.Cut();
        proxy.Resume();
    });
}

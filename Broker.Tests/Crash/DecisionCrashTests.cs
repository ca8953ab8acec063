using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Crash;

/// <summary>A node of the etcd cluster that keeps the decisions, killed under load and started again.</summary>
internal sealed class DecisionCrashTests
{
    private const int Accounts = 4;

    [Test]
    public async Task A_node_of_three_that_is_killed_leaves_no_transaction_in_doubt_and_loses_none()
    {
        await using var cluster = await PrivateEtcd.StartAsync();
        // The default patience: a node's death is shorter.
        await using var transfers = await TestTransfers.CreateAsync(new TestTransfers.Pairing(SqlDialect.PostgreSql, SqlDialect.MySql, InEtcd: true), Accounts, etcd: cluster.Endpoints, configure: options => options.Patience = new TwoPhaseCommitOptions().Patience);
        using var recovery = new RecoveryService(transfers.Coordination);
        await recovery.StartAsync(CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var run = new Run(transfers, stop.Token);
        var workers = Enumerable.Range(0, Accounts).Select(account => Task.Run(() => run.WorkAsync(account))).ToArray();
        var all = Task.WhenAll(workers);

        // Each of the three in turn, so also the one that the coordinator talks to.
        foreach (var killAsync in (Func<Task<PrivateEtcd.Node>>[])[cluster.KillLeaderAsync, cluster.KillFollowerAsync, cluster.KillNextAsync])
        {
            await run.EveryAccountMovesAsync(all);
            var dead = await killAsync();
            await run.EveryAccountMovesAsync(all);
            dead.Start();
            await cluster.WholeAsync();
        }
        await run.EveryAccountMovesAsync(all);
        Assert.That(cluster.Deaths, Is.EqualTo(new[] { 1, 1, 1 }));
        await stop.CancelAsync();
        await all;
        await transfers.RecoverAsync();
        await recovery.StopAsync(CancellationToken.None);

        for (var account = 0; account < Accounts; account++)
        {
            var moved = run.Committed[account];
            Assert.That(await transfers.BalancesAsync(account), Is.EqualTo((TestTransfers.Balance - moved, TestTransfers.Balance + moved)), $"account {account}: what was told committed, and nothing else");
        }
        var kept = await transfers.Coordination.Store.ListAsync(onlyHeuristic: false, 100_000, CancellationToken.None);
        Assert.That(kept.Count(d => d.Outcome == Decision.Committed), Is.EqualTo(run.Committed.Sum()), "each commit is recorded once and followed by all");
        Assert.That(kept.Where(d => d.Outcome != d.Expected), Is.Empty);
    }

    /// <summary>Transfers of one after the other, until told to end. Every third one is rolled back by its own caller.</summary>
    private sealed class Run(TestTransfers transfers, CancellationToken stop)
    {
        /// <summary>How many of each account's transfers were told committed.</summary>
        public int[] Committed { get; } = new int[Accounts];

        public async Task WorkAsync(int account)
        {
            for (var number = 1; !stop.IsCancellationRequested; number++)
            {
                await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
                await TestTransfers.MoveAsync(transaction, account, amount: 1);
                if (number % 3 == 0)
                {
                    await transaction.RollbackAsync(CancellationToken.None);
                    continue;
                }
                var outcome = await transaction.CommitAsync(CancellationToken.None);
                Assert.That(outcome, Is.InstanceOf<TransactionOutcome.Committed>().With.Property(nameof(TransactionOutcome.Committed.Unfinished)).Empty, outcome.ToString());
                Interlocked.Increment(ref Committed[account]);
            }
        }

        /// <summary>Waits until each account has had three commits that began after this call. Fails with what a worker fails with.</summary>
        public async Task EveryAccountMovesAsync(Task workers)
        {
            // One is on its way already.
            var goals = Committed.Select(c => c + 4).ToArray();
            await Eventually.IsTrueAsync(
                async () =>
                {
                    if (workers.IsCompleted)
                        await workers;
                    return Committed.Zip(goals).All(c => c.First >= c.Second);
                },
                "the transfers go on");
        }
    }
}

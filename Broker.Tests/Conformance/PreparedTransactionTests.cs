using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Conformance;

/// <summary>What the engines' own two-phase commits do that nobody expects, and what we make of it.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class PreparedTransactionTests
{
    private static readonly TestTransfers.Pairing Pairing = new(SqlDialect.MySql, SqlDialect.PostgreSql, SecondDecides: true);

    private sealed class DiedException() : Exception("died");

    [Test]
    public async Task PostgreSQL_prepares_nothing_of_a_transaction_that_has_failed_although_it_says_so()
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing);
        await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60));
        await TestTransfers.MoveAsync(transaction);
        var second = await transaction.EnlistAsync("second");
        // The service swallows the error and commits.
        Assert.That(async () => await second.CreateCommand("SELECT 1 / 0").ScalarAsync(CancellationToken.None), Throws.InstanceOf<System.Data.Common.DbException>());

        var outcome = await transaction.CommitAsync();

        Assert.That(outcome, Is.InstanceOf<TransactionOutcome.RolledBack>().With.Property(nameof(TransactionOutcome.RolledBack.Reason)).Contain("'second' could not prepare"));
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance, TestTransfers.Balance)));
        Assert.That(await transfers.PreparedAsync(), Is.Zero);
    }

    [Test]
    public async Task A_branch_that_the_service_has_ended_itself_votes_no()
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing);
        await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60));
        await TestTransfers.MoveAsync(transaction);
        await (await transaction.EnlistAsync("second")).Transaction.RollbackAsync();

        Assert.That(await transaction.CommitAsync(), Is.InstanceOf<TransactionOutcome.RolledBack>());
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance, TestTransfers.Balance)));
        var first = (await transfers.First.QueryAsync("SELECT count(*) FROM transaction_markers")).Single();
        Assert.That(first[0], Is.EqualTo("0"));
    }

    [Test]
    public async Task A_branch_of_MariaDB_cannot_be_ended_by_its_own_transaction()
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing);
        await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60));
        var first = await transaction.EnlistAsync("first");

        Assert.That(async () => await first.Transaction.CommitAsync(), Throws.InvalidOperationException.With.Message.Contains("of the whole"));
    }

    // The first trap: "unknown XID" also means "bound to a session that lives".
    [Test]
    public async Task Unknown_XID_from_MariaDB_is_not_taken_for_committed()
    {
        var go = new TaskCompletionSource();
        var reached = new TaskCompletionSource();
        await using var transfers = await TestTransfers.CreateAsync(Pairing, configure: options => options.Reached = async step =>
        {
            if (step.ToString() != "before-commit:first")
                return;
            reached.TrySetResult();
            await go.Task;
        });
        await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(1));
        if (!TransactionId.TryParse(transaction.Id, out var id))
            throw new InvalidOperationException("It has no id.");
        await TestTransfers.MoveAsync(transaction);
        var committing = transaction.CommitAsync();
        await reached.Task;
        var first = transfers.Coordination.Find("first")!;
        var branch = (await first.ListPreparedAsync(transfers.Name, CancellationToken.None)).Single(b => b.Id == id);
        var decision = await transfers.Coordination.Store.FindAsync(id, CancellationToken.None);

        var finished = await transfers.Recovery.FinishAsync(branch, decision!, new System.Collections.Concurrent.ConcurrentDictionary<string, string>(), CancellationToken.None);

        Assert.That(finished, Is.False, "the session that prepared it lives");
        await Eventually.IsTrueAsync(async () => (await transfers.Coordination.Store.LookAsync(CancellationToken.None)).Now > id.Deadline, "it is past its deadline");
        await transfers.Recovery.RunAsync(CancellationToken.None);
        Assert.That(await transfers.DecisionAsync(transaction.Id), Is.EqualTo(("commit", (string?)null)), "nothing is taken for finished, or for heuristic");
        go.SetResult();
        Assert.That(await committing, Is.InstanceOf<TransactionOutcome.Committed>());
        await transfers.RecoverAsync();
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance - 10, TestTransfers.Balance + 10)));
        await Eventually.EqualsAsync(() => transfers.DecisionAsync(transaction.Id), ("commit", Decision.Committed), "the decision");
    }

    // The second trap, a reset of the session: see LostBranchTests, which needs a server of its own.
    [Test]
    public async Task A_connection_never_goes_back_to_its_pool_with_a_prepared_branch()
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing, configure: options => options.Reached = step => step.Name == "before-commit" ? throw new DiedException() : ValueTask.CompletedTask);
        await using (var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60)))
        {
            await TestTransfers.MoveAsync(transaction);
            Assert.That(async () => await transaction.CommitAsync(), Throws.InstanceOf<CoordinatorDiedException>());
        }

        await transfers.RecoverAsync();

        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance - 10, TestTransfers.Balance + 10)));
    }

    [Test]
    public async Task A_session_that_is_killed_before_it_has_voted_rolls_all_back([Values("first", "second")] string killed)
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing);
        await using var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60));
        await TestTransfers.MoveAsync(transaction);
        var participant = await transaction.EnlistAsync(killed);
        var session = Convert.ToInt64(await participant.CreateCommand(killed == "first" ? "SELECT connection_id()" : "SELECT pg_backend_pid()").ScalarAsync(CancellationToken.None), System.Globalization.CultureInfo.InvariantCulture);
        await (killed == "first" ? transfers.First : transfers.Second).QueryAsync(killed == "first" ? FormattableString.Invariant($"KILL {session}") : FormattableString.Invariant($"SELECT pg_terminate_backend({session})"));

        var outcome = await transaction.CommitAsync();

        Assert.That(outcome, Is.InstanceOf<TransactionOutcome.RolledBack>());
        await transfers.RecoverAsync();
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance, TestTransfers.Balance)));
    }
}

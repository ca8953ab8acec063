using Broker.Tests.Support;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.EndToEnd;

/// <summary>What happens to transactions over several databases is what their metrics say: by the coordinator's name, never by an id.</summary>
internal sealed class TransactionMetricTests
{
    private static readonly TestTransfers.Pairing Both = new(SqlDialect.PostgreSql, SqlDialect.PostgreSql, SecondDecides: true);

    private sealed class Died : Exception;

    [Test]
    public async Task Transactions_are_counted_by_how_they_end_and_not_before()
    {
        MetricRecorder? metrics = null;
        SwitchableDataSource? deciding = null;
        var (counted, goesAway) = (-1.0, false);
        await using var transfers = await TestTransfers.CreateAsync(
            Both,
            through: (name, database) => name == "first" ? database.DataSource : deciding = new SwitchableDataSource(database.DataSource),
            configure: options =>
            {
                options.Patience = TimeSpan.FromSeconds(1);
                options.Reached = step =>
                {
                    if (step.ToString() == "before-commit:second")
                        counted = metrics!.Sum("outbox.two_phase.transactions");
                    if (step.Name == "before-decision" && goesAway)
                        _ = deciding!.GoAway();
                    return ValueTask.CompletedTask;
                };
            });
        using var recorder = metrics = new MetricRecorder(transfers.Name);

        Assert.That(await transfers.TransferAsync(), Is.InstanceOf<TransactionOutcome.Committed>());
        Assert.That(counted, Is.Zero, "what is not committed everywhere is not counted");
        await using (var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(60)))
            await TestTransfers.MoveAsync(transaction);
        goesAway = true;
        Assert.That(await transfers.TransferAsync(timeout: TimeSpan.FromSeconds(3)), Is.InstanceOf<TransactionOutcome.InDoubt>());
        deciding!.ComeBack();
        await transfers.RecoverAsync();

        Assert.Multiple(() =>
        {
            foreach (var outcome in (string[])["committed", "rolled-back", "in-doubt"])
            {
                Assert.That(metrics.Sum("outbox.two_phase.transactions", ("coordinator", transfers.Name), ("outcome", outcome)), Is.EqualTo(1), outcome);
                Assert.That(metrics.Of("outbox.two_phase.duration", ("coordinator", transfers.Name), ("outcome", outcome)).Single().Value, Is.GreaterThan(0), outcome);
            }
            Assert.That(metrics.Sum("outbox.two_phase.branches.recovered", ("decision", "rollback")), Is.EqualTo(2));
            Assert.That(metrics.Of("outbox.two_phase.transactions").Concat(metrics.Of("outbox.two_phase.branches.recovered")).SelectMany(m => m.Tags.Values).OfType<string>(), Has.None.StartsWith("obx."));
        });
    }

    [Test]
    public async Task What_a_dead_coordinator_has_left_shows_its_age_until_it_is_finished_and_what_a_person_did_is_counted()
    {
        await using var transfers = await TestTransfers.CreateAsync(Both, configure: options =>
        {
            options.RecoveryInterval = TimeSpan.FromMilliseconds(50);
            options.Reached = step => step.Name == "before-decision" ? throw new Died() : ValueTask.CompletedTask;
        });
        using var metrics = new MetricRecorder(transfers.Name);
        using var recovery = new RecoveryService(transfers.Coordination);
        Assert.That(metrics.Gauge("outbox.two_phase.oldest_prepared"), Is.Null, "nobody looks");
        await recovery.StartAsync(CancellationToken.None);
        await metrics.GaugeBecomesAsync(0, "outbox.two_phase.oldest_prepared");
        TransactionId id;
        await using (var transaction = await transfers.Coordinator.BeginAsync(TimeSpan.FromSeconds(3)))
        {
            Assert.That(TransactionId.TryParse(transaction.Id, out id));
            await TestTransfers.MoveAsync(transaction);
            Assert.That(async () => await transaction.CommitAsync(), Throws.InstanceOf<CoordinatorDiedException>());
        }

        await Eventually.IsTrueAsync(() => Task.FromResult(metrics.Gauge("outbox.two_phase.oldest_prepared", ("coordinator", transfers.Name)) > 0), "what is prepared has an age");
        await transfers.First.ExecuteAsync(SqlDialect.PostgreSql.Branches!.Commit(id, "first"));

        await metrics.SumBecomesAsync(1, "outbox.two_phase.heuristic", ("coordinator", transfers.Name));
        await metrics.GaugeBecomesAsync(0, "outbox.two_phase.oldest_prepared");
        Assert.That(metrics.Sum("outbox.two_phase.branches.recovered", ("decision", "rollback")), Is.EqualTo(1), "the other one");
        Assert.That(metrics.Of("outbox.two_phase.transactions"), Is.Empty, "its coordinator has told nothing");
        await recovery.StopAsync(CancellationToken.None);
        Assert.That(metrics.Gauge("outbox.two_phase.oldest_prepared"), Is.Null, "nobody looks any more");
    }

    [Test]
    public async Task A_node_that_does_not_look_shows_no_age()
    {
        await using var transfers = await TestTransfers.CreateAsync(Both, configure: options => options.RecoveryInterval = TimeSpan.FromMilliseconds(50));
        using var metrics = new MetricRecorder(transfers.Name);
        using var first = new RecoveryService(transfers.Coordination);
        await first.StartAsync(CancellationToken.None);
        await metrics.GaugeBecomesAsync(0, "outbox.two_phase.oldest_prepared");
        using var second = new RecoveryService(transfers.Coordination);
        await second.StartAsync(CancellationToken.None);

        var before = metrics.Of("outbox.two_phase.oldest_prepared").Count;
        _ = metrics.Gauge("outbox.two_phase.oldest_prepared");
        Assert.That(metrics.Of("outbox.two_phase.oldest_prepared").Count - before, Is.EqualTo(1), "one of the two has the lease");

        await first.StopAsync(CancellationToken.None);
        await metrics.GaugeBecomesAsync(0, "outbox.two_phase.oldest_prepared");
        await second.StopAsync(CancellationToken.None);
    }
}

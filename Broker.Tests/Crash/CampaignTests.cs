using Broker.Campaigns;
using Broker.Tests.Support;

namespace Broker.Tests.Crash;

/// <summary>A short run of each campaign; <c>dotnet run --project Broker.Tests/Broker.Campaigns -c Release -- nodes --seconds 600</c> and so on run them for longer, and judge times too.</summary>
internal sealed class CampaignTests
{
    private readonly int _seed = Random.Shared.Next(100_000);

    [Test, Category("Alone")]
    public async Task Whatever_happens_to_the_workers_of_a_database_nothing_is_lost_or_out_of_order()
    {
        await TestServers.RabbitMqAsync();
        await TestServers.PostgreSqlAsync();

        await KeepsItsPromisesAsync(new NodesCampaign(new NodesCampaign.Plan { Duration = TimeSpan.FromSeconds(9), Lease = TimeSpan.FromSeconds(1), Seed = _seed, JudgesTimes = false }, Say).RunAsync);
    }

    [Test]
    public async Task A_broker_that_is_away_costs_no_message_no_order_and_no_attempt()
    {
        await TestServers.RabbitMqAsync();

        await KeepsItsPromisesAsync(new OutageCampaign(new OutageCampaign.Plan { Dialect = Outbox.Sql.SqlDialect.Sqlite, Duration = TimeSpan.FromSeconds(3), Seed = _seed, Judges = false }, Say).RunAsync);
    }

    [Test]
    public async Task Sources_whose_databases_hang_cost_the_others_nothing()
    {
        await TestServers.RabbitMqAsync();
        await TestServers.PostgreSqlAsync();
        TestServers.MariaDb();

        await KeepsItsPromisesAsync(new IsolationCampaign(new IsolationCampaign.Plan { Sources = 5, Duration = TimeSpan.FromSeconds(4), Rounds = 1, Seed = _seed, Most = null }, Say).RunAsync);
    }

    [Test]
    public async Task A_cluster_whose_leader_dies_costs_no_message_and_no_order()
    {
        await TestServers.PostgreSqlAsync();
        if (Environment.GetEnvironmentVariable("BROKER_SERVERS") is null)
            Assert.Ignore("The servers were not started by docker/servers.sh, so it may not start a cluster either.");

        await KeepsItsPromisesAsync(new ClusterCampaign(new ClusterCampaign.Plan { Happenings = [ClusterCampaign.Happening.LeaderKilled], Duration = TimeSpan.FromSeconds(1), Seed = _seed, JudgesTimes = false }, Say).RunAsync);
    }

    [TestCase(1, 8, 1, 2)]
    [TestCase(50, 1, 1, 2)]
    [TestCase(1, 4, 4, 3)]
    public async Task Consumers_that_are_killed_apply_each_message_once_and_in_order(int batch, int concurrency, int partitions, int processes)
    {
        await TestServers.RabbitMqAsync();
        await TestServers.PostgreSqlAsync();

        await KeepsItsPromisesAsync(new ConsumersCampaign(new ConsumersCampaign.Plan { Messages = 2_500, Processes = processes, Accounts = 60, Batch = batch, Concurrency = concurrency, Partitions = partitions, Between = TimeSpan.FromSeconds(2), Seed = _seed }, Say).RunAsync);
    }

    [TestCase("ledger", true)]
    [TestCase("warehouse", false)]
    public async Task Coordinators_that_are_killed_leave_no_transfer_half_done(string decideIn, bool hands)
    {
        await TestServers.PostgreSqlAsync();
        TestServers.MariaDb();

        await KeepsItsPromisesAsync(new TransfersCampaign(new TransfersCampaign.Plan { Runs = 60, DecideIn = decideIn, WithHands = hands, Seed = _seed }, Say).RunAsync);
    }

    [Test]
    public async Task Sagas_end_whole_or_not_at_all_whatever_is_refused_copied_late_or_killed()
    {
        await TestServers.RabbitMqAsync();
        await TestServers.PostgreSqlAsync();

        await KeepsItsPromisesAsync(new SagasCampaign(new SagasCampaign.Plan { Sagas = 200, Copied = 0.2, Between = TimeSpan.FromSeconds(3), Seed = _seed }, Say).RunAsync);
    }

    private async Task KeepsItsPromisesAsync(Func<CancellationToken, Task<Verdict>> campaign)
    {
        var verdict = await campaign(CancellationToken.None);

        Assert.That(verdict.Faults, Is.Empty, $"with --seed {_seed}");
        Assert.That(verdict.Arrived, Is.GreaterThan(20));
    }

    private static void Say(string text) => TestContext.Out.WriteLine(text);
}

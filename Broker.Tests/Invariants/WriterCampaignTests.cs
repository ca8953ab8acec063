using Broker.Benchmarks;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Invariants;

/// <summary>A short run of each campaign; <c>dotnet run --project Broker.Tests/Broker.Benchmarks -c Release -- writers --seconds 600</c> runs it for longer.</summary>
internal sealed class WriterCampaignTests
{
    [Test]
    public async Task Whatever_writers_do_nothing_is_lost_doubled_or_out_of_order_and_none_of_them_is_disturbed(
        [ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine, [Values(1, 4)] int partitions)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var plan = new WriterCampaign.Plan
        {
            Duration = TimeSpan.FromSeconds(4),
            Partitions = partitions,
            LongTransaction = TimeSpan.FromMilliseconds(1_500),
            Seed = Random.Shared.Next(100_000),
        }.For(engine);

        var report = await new WriterCampaign(engine, database.DataSource, plan).RunAsync(CancellationToken.None);

        await TestContext.Out.WriteLineAsync($"seed {plan.Seed}: {report}");
        Assert.That(report.Faults, Is.Empty, $"with --seed {plan.Seed}");
        Assert.That(report.Committed, Is.GreaterThan(20));
    }
}

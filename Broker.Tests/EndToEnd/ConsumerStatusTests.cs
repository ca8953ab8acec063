using System.Globalization;
using Broker.Relay;
using Broker.Tests.Support;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What the processes of a consumer say of themselves in its database.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
internal sealed class ConsumerStatusTests(SqlDialect dialect)
{
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, dialect);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_process_shows_from_its_start_to_its_end()
    {
        var first = await _bench.StartAsync();
        await using (await _bench.StartAsync())
        {
            await Eventually.EqualsAsync(async () => (await ProcessesAsync()).Count, 2, "the processes");
            Assert.That((await ProcessesAsync()).Select(p => (p.Consumer, p.Status!.Queue, p.Status.Applied)), Is.All.EqualTo(("stock", _bench.Queue, 0L)));
            await first.DisposeAsync();
            await Eventually.EqualsAsync(async () => (await ProcessesAsync()).Count, 1, "the processes");
        }
        Assert.That(await ProcessesAsync(), Is.Empty);
    }

    [Test]
    public async Task One_that_died_is_not_listed_when_its_time_is_over()
    {
        await using var host = await _bench.StartAsync();
        await Eventually.EqualsAsync(async () => (await ProcessesAsync()).Count, 1, "the processes");

        await _bench.Database.ExecuteAsync("UPDATE consumer_status SET expires_at = started_at");

        Assert.That(await ProcessesAsync(), Is.Empty);
    }

    [Test]
    public void A_status_is_read_as_it_was_written_and_one_of_another_version_not_at_all()
    {
        var status = new ConsumerStatus("stock", 5, 4, 3, 2, 0.25, 1.5);

        Assert.That(ConsumerStatus.Read(status.Write()), Is.EqualTo(status));
        Assert.That(ConsumerStatus.Read((status with { Version = 99 }).Write()), Is.Null);
        Assert.That(ConsumerStatus.Read("{"), Is.Null);
        Assert.That(ConsumerStatus.Read(null), Is.Null);
        Assert.That(status.Write(), Does.Contain(string.Create(CultureInfo.InvariantCulture, $"\"Lag\":{0.25}")));
    }

    private async Task<IReadOnlyList<ConsumerProcess>> ProcessesAsync()
    {
        await using var connection = await _bench.Database.DataSource.OpenConnectionAsync();
        return await ConsumerProcess.ReadAsync(connection, CancellationToken.None);
    }
}

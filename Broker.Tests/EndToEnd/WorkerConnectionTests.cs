using System.Collections.Concurrent;
using System.Data.Common;
using Broker.Tests.Support;
using Npgsql;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The connection that a worker goes on with while there is work.</summary>
internal sealed class WorkerConnectionTests
{
    private ConsumerBench _bench = null!;
    private NpgsqlDataSource? _dataSource;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(TestTransport.InMemory, SqlDialect.PostgreSql);

    [TearDown]
    public async Task Close()
    {
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    [Test]
    public async Task One_connection_is_enough_for_a_consumer([Values(1, 20)] int batch)
    {
        _bench.Script.Then = (number, context, _) => number == "2" && context.Attempt < 3 ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await using var host = await StartAsync(mostConnections: 1, batch);

        foreach (var number in (string[])["1", "2", "3", "\\q", "4"])
            await _bench.PublishAsync(number, key: "a");

        await _bench.EffectsBecomeAsync("1", "2", "3", "4");
        await _bench.DeadLettersBecomeAsync(1);
        await _bench.StopsWithAnEmptyQueueAsync(host);
    }

    [Test]
    public async Task A_worker_keeps_its_connection_while_there_is_work_and_not_after_an_error()
    {
        var (all, connections) = (new TaskCompletionSource(), new ConcurrentDictionary<string, DbConnection>());
        _bench.Script.Then = async (number, context, _) =>
        {
            connections.TryAdd(number, context.Transaction.Connection!);
            await all.Task;
            if (number == "3")
                throw new RejectMessageException("never");
        };
        await using var host = await StartAsync(mostConnections: 10, batch: 1);
        foreach (var number in (string[])["1", "2", "3", "4", "5"])
            await _bench.PublishAsync(number);
        all.SetResult();

        await _bench.EffectsBecomeAsync("1", "2", "4", "5");

        Assert.That(connections["2"], Is.SameAs(connections["1"]));
        Assert.That(connections["3"], Is.SameAs(connections["1"]));
        Assert.That(connections["4"], Is.Not.SameAs(connections["3"]));
        Assert.That(connections["5"], Is.SameAs(connections["4"]));
        await Eventually.IsTrueAsync(() => Task.FromResult(connections["5"].State == System.Data.ConnectionState.Closed), "an idle worker gives its connection back");
    }

    private Task<TestHost> StartAsync(int mostConnections, int batch)
    {
        _dataSource = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_bench.Database.ConnectionString) { MaxPoolSize = mostConnections, Timeout = 10 });
        return _bench.StartAsync(services => services.AddOutbox("orders", _ => _dataSource, outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            consumer.Batch(batch);
        })));
    }
}

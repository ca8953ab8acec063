using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Outbox;
using Outbox.Health;
using Outbox.RabbitMQ;

namespace Broker.Tests.EndToEnd;

/// <summary>What <c>AddHealthChecks().AddOutbox()</c> tells in a service.</summary>
internal sealed class ConsumerHealthTests
{
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(Stack.Embedded);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_consumer_is_starting_then_reading_then_stopped()
    {
        await using var host = Build(outbox => _bench.UseTransport(outbox));
        await BecomesAsync(host, "starting", HealthStatus.Healthy, "");
        await host.StartAsync();
        await BecomesAsync(host, "reading", HealthStatus.Healthy, $"It reads queue '{_bench.Queue}'");
        await host.StopAsync();
        await BecomesAsync(host, "stopped", HealthStatus.Unhealthy, "stopping");
    }

    [Test]
    public async Task A_consumer_whose_database_is_away_is_degraded_until_it_is_back()
    {
        var database = new SwitchableDataSource(_bench.Database.DataSource);
        await using var host = Build(outbox => _bench.UseTransport(outbox), database);
        await host.StartAsync();
        await BecomesAsync(host, "reading", HealthStatus.Healthy, "");

        var refused = database.GoAway();
        await _bench.PublishAsync("1");
        await refused;
        await BecomesAsync(host, "database away", HealthStatus.Degraded, "until its database takes writes again");

        database.ComeBack();
        await BecomesAsync(host, "reading", HealthStatus.Healthy, "");
    }

    [Test]
    public async Task A_consumer_whose_tables_do_not_fit_says_what_to_do()
    {
        await _bench.Database.ExecuteAsync("DELETE FROM outbox_schema");
        await _bench.Database.ExecuteAsync("INSERT INTO outbox_schema (version) VALUES (1)");
        await using var host = Build(outbox => _bench.UseTransport(outbox));
        await host.StartAsync();
        await BecomesAsync(host, "unfit", HealthStatus.Degraded, "broker schema");
    }

    [Test]
    public async Task A_consumer_whose_broker_is_away_says_so()
    {
        await using var host = Build(outbox => outbox.UseRabbitMq("amqp://guest:guest@127.0.0.1:1/"));
        await host.StartAsync();
        await BecomesAsync(host, "broker away", HealthStatus.Degraded, "until RabbitMQ is back");
    }

    [Test]
    public async Task A_relay_in_the_service_is_part_of_its_health()
    {
        await using var host = Build(outbox => _bench.UseTransport(outbox).AddRelay());
        await host.StartAsync();
        await Eventually.EqualsAsync(async () => StateOf(await CheckAsync(host), "source/orders"), "idle", "the relay's state");
    }

    private TestHost Build(Action<OutboxBuilder> connect, SwitchableDataSource? database = null) => TestHost.Build(services =>
    {
        services.AddSingleton(_bench.Script);
        services.AddHealthChecks().AddOutbox();
        services.AddOutbox("orders", _ => (System.Data.Common.DbDataSource?)database ?? _bench.Database.DataSource, outbox =>
        {
            connect(outbox);
            outbox.AddConsumer("stock", consumer =>
            {
                _bench.Quick(consumer);
                consumer.Handle<OrderPlaced, OrderPlacedByAdoNetHandler>();
            });
        });
    });

    private static async Task BecomesAsync(TestHost host, string state, HealthStatus status, string reason)
    {
        HealthReportEntry entry = default;
        await Eventually.EqualsAsync(async () => StateOf(entry = await CheckAsync(host), "consumer/stock"), state, "the consumer's state");
        Assert.That(entry.Status, Is.EqualTo(status));
        Assert.That(entry.Description, Does.Contain(reason));
    }

    private static async Task<HealthReportEntry> CheckAsync(TestHost host) => (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["outbox"];

    private static string? StateOf(HealthReportEntry entry, string part) => ((IReadOnlyDictionary<string, object>)entry.Data[part])["state"] as string;
}

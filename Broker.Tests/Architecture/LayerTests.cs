using System.Reflection;

namespace Broker.Tests.Architecture;

/// <summary>References go Broker → Broker.Dashboard → Broker.Relay → Outbox ← Outbox.RabbitMQ, and a driver is named only where DESIGN.md §4 allows it.</summary>
internal sealed class LayerTests
{
    private static readonly string[] Drivers = ["Npgsql", "Microsoft.Data.Sqlite", "Microsoft.Data.SqlClient", "MySqlConnector", "RabbitMQ.Client", "Hangfire", "StackExchange.Redis", "Grpc"];

    private static readonly Assembly Outbox = typeof(global::Outbox.IOutbox).Assembly;
    private static readonly Assembly RabbitMq = typeof(global::Outbox.RabbitMQ.RabbitMqTransport).Assembly;
    private static readonly Assembly Redis = typeof(global::Outbox.Redis.RedisLocks).Assembly;
    private static readonly Assembly Etcd = typeof(global::Outbox.Etcd.EtcdLocks).Assembly;
    private static readonly Assembly Testing = typeof(global::Outbox.Testing.OutboxHarness).Assembly;
    private static readonly Assembly Relay = typeof(Broker.Relay.RelaySource).Assembly;

    private static readonly Assembly Dashboard = typeof(Broker.Dashboard.IDashboardSources).Assembly;

    /// <summary>The product's own assemblies, as far as the tests reference them.</summary>
    public static IReadOnlyList<Assembly> Product => [Outbox, RabbitMq, Redis, Etcd, Relay, Dashboard, Testing, Assembly.Load("Broker")];

    [Test]
    public void The_library_names_no_driver() => Assert.That(References(Outbox).Where(IsDriver), Is.Empty);

    [Test]
    public void The_relay_names_no_driver() => Assert.That(References(Relay).Where(IsDriver), Is.Empty);

    [Test]
    public void Only_the_transport_names_RabbitMQ_Client_and_the_measurements_that_it_is_compared_with() =>
        Assert.That(Product.Where(a => References(a).Contains("RabbitMQ.Client")), Is.EqualTo(new[] { RabbitMq, Assembly.Load("Broker") }), "in Broker it is named in Broker/Bench alone: see SourceTests");

    [Test]
    public void The_transport_names_no_other_driver() => Assert.That(References(RabbitMq).Where(IsDriver), Is.EqualTo(new[] { "RabbitMQ.Client" }));

    [Test]
    public void The_library_knows_nothing_of_those_who_build_on_it() =>
        Assert.That(References(Outbox).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.Empty);

    [Test]
    public void The_transport_knows_the_library_alone() =>
        Assert.That(References(RabbitMq).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.EqualTo(new[] { "Outbox" }));

    [Test]
    public void Each_place_for_locks_names_its_own_driver_and_knows_the_library_alone()
    {
        Assert.That(References(Redis).Where(IsDriver), Is.EqualTo(new[] { "StackExchange.Redis" }));
        Assert.That(References(Etcd).Where(IsDriver), Is.Not.Empty.And.All.StartsWith("Grpc."));
        foreach (var place in new[] { Redis, Etcd })
            Assert.That(References(place).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.EqualTo(new[] { "Outbox" }));
    }

    [Test]
    public void The_relay_knows_the_library_alone() =>
        Assert.That(References(Relay).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.EqualTo(new[] { "Outbox" }));

    [Test]
    public void The_dashboard_knows_the_relay_and_the_library_alone() =>
        Assert.That(References(Dashboard).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.EquivalentTo(new[] { "Outbox", "Broker.Relay" }));

    [Test]
    public void Only_the_dashboard_sees_Hangfire() =>
        Assert.That(Product.Where(a => References(a).Any(r => r.StartsWith("Hangfire", StringComparison.Ordinal))), Is.EqualTo(new[] { Dashboard }));

    [Test]
    public void What_tests_use_is_a_leaf_that_nothing_of_the_product_knows()
    {
        Assert.That(References(Testing).Where(r => r.StartsWith("Broker", StringComparison.Ordinal) || r.StartsWith("Outbox", StringComparison.Ordinal)), Is.EquivalentTo(new[] { "Outbox", "Broker.Relay" }));
        Assert.That(References(Testing).Where(IsDriver), Is.Empty);
        Assert.That(Product.Where(a => References(a).Contains("Outbox.Testing")), Is.Empty);
    }

    [Test]
    public void The_relay_uses_no_Entity_Framework() =>
        Assert.That(References(Relay).Where(r => r.StartsWith("Microsoft.EntityFrameworkCore", StringComparison.Ordinal)), Is.Empty);

    [Test]
    public void Only_the_library_uses_Entity_Framework() =>
        Assert.That(Product.Where(a => References(a).Any(r => r.StartsWith("Microsoft.EntityFrameworkCore", StringComparison.Ordinal))), Is.EqualTo(new[] { Outbox }));

    private static List<string> References(Assembly assembly) => [.. assembly.GetReferencedAssemblies().Select(r => r.Name!)];

    private static bool IsDriver(string reference) => Drivers.Any(d => reference == d || reference.StartsWith(d + ".", StringComparison.Ordinal));
}

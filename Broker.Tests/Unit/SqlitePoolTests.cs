using System.Data.Common;
using System.Reflection;
using System.Reflection.Emit;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Unit;

/// <summary>SQLite's driver, whose pool once lent one connection to two.</summary>
internal sealed class SqlitePoolTests
{
    private const string Fault = "the connection pool of Microsoft.Data.Sqlite 9.0.23 may lend one connection to two users at once";

    [TestCase("5.0.17.0", "Data Source=a.db", false)]
    [TestCase("8.0.34.0", "Data Source=a.db", true)]
    [TestCase("9.0.23.0", "Data Source=a.db;Pooling=True", true)]
    [TestCase("10.0.12.0", "Data Source=a.db", true)]
    [TestCase("10.0.12.0", "Data Source=a.db;pooling=false", false)]
    [TestCase("10.0.13.0", "Data Source=a.db", false)]
    [TestCase("11.0.0.0", "Data Source=a.db", false)]
    public void A_driver_before_the_fix_is_told_of_unless_it_is_used_without_its_pool(string driver, string connectionString, bool isTold)
    {
        using var log = new TestLog();

        SqlitePool.Check(Version.Parse(driver), connectionString, "Source 'orders'", log.CreateLogger("test"));

        Assert.That(log.Entries.Select(e => e.Message), isTold ? Has.One.StartsWith($"Source 'orders': the connection pool of Microsoft.Data.Sqlite {driver[..^2]} ").And.One.Contains("Pooling=False") : Is.Empty);
    }

    [Test]
    public async Task A_relay_with_such_a_driver_says_so_when_it_starts_and_with_the_one_of_this_project_it_does_not()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        using var log = new TestLog();
        RelaySource Source(DbDataSource dataSource) => new() { Name = "orders", Dialect = SqlDialect.Sqlite, DataSource = dataSource, Transport = new InMemoryTransport() };

        await BeatConnection.CheckAsync(Source(database.DataSource), log.CreateLogger("test"), CancellationToken.None);
        Assert.That(log.Entries, Is.Empty);

        await using var old = new OldDriver(database.ConnectionString);
        await BeatConnection.CheckAsync(Source(old), log.CreateLogger("test"), CancellationToken.None);
        Assert.That(log.Entries.Select(e => e.Message), Has.One.StartsWith($"Source 'orders': {Fault}"));
    }

    [Test]
    public async Task A_consumer_with_such_a_driver_says_so_when_it_starts()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var old = new OldDriver(database.ConnectionString);
        using var log = new TestLog();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(log);
        builder.Services.AddOutbox("orders", _ => old, outbox => outbox.UseInMemory().AddConsumer("stock", consumer => consumer.Handle<OrderPlaced, Nothing>()));
        using var host = builder.Build();

        await host.StartAsync();

        var entry = await log.FirstAsync(Fault);
        Assert.That(entry.Level, Is.EqualTo(LogLevel.Error));
        Assert.That(entry.Message, Does.StartWith("Consumer 'stock': "));
        await host.StopAsync();
    }

    private sealed class Nothing : IMessageHandler<OrderPlaced>
    {
        public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    /// <summary>The driver, but of an assembly that says it is an earlier version.</summary>
    private sealed class OldDriver(string connectionString) : DbDataSource
    {
        private static readonly Type Connection = AssemblyBuilder
            .DefineDynamicAssembly(new AssemblyName("Microsoft.Data.Sqlite.Old") { Version = new Version(9, 0, 23, 0) }, AssemblyBuilderAccess.Run)
            .DefineDynamicModule("old").DefineType("Microsoft.Data.Sqlite.SqliteConnectionOfOld", TypeAttributes.Public, typeof(SqliteConnection)).CreateType();

        public override string ConnectionString => connectionString;

        protected override DbConnection CreateDbConnection()
        {
            var connection = (DbConnection)Activator.CreateInstance(Connection)!;
            connection.ConnectionString = connectionString;
            return connection;
        }
    }
}

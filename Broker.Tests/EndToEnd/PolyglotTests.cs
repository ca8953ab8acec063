using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Who inserts a row is a producer, whatever the language: the scripts of Samples/Polyglot, each run by its own client, several at once.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class PolyglotTests(SqlDialect engine)
{
    private static readonly string[] Customers = ["anna", "zoë", "anna", "zoë"];
    private static readonly (string Customer, int Orders)[] TenOfEach = [("anna", 10), ("zoë", 10)];

    private SalesBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await SalesBench.CreateAsync(engine);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Rows_of_a_plain_SQL_script_reach_a_handler_in_the_order_of_their_keys()
    {
        await Task.WhenAll(Customers.Select(customer => _bench.Client.RunAsync(_bench.Sample("sql"), 5, ("customer", customer), ("sku", "tea"), ("quantity", "2"))));

        await _bench.RowsLieWhereOursWouldAsync();
        await _bench.StartAsync();
        await _bench.HandlesAsync(TenOfEach);
        await Eventually.EqualsAsync(() => Task.FromResult(_bench.StockChanges), 20, "the events of the rows with nothing but what is required");
    }

    [Test]
    public async Task Rows_of_a_trigger_reach_a_handler_in_the_order_of_their_keys()
    {
        await _bench.Client.RunAsync(_bench.Sample("triggers"));
        // What knows nothing of an outbox.
        string Order(string customer) => $"""
            {(engine == SqlDialect.MySql ? "START" : "BEGIN")} TRANSACTION;
            UPDATE customers SET orders = orders + 1 WHERE id = {(engine == SqlDialect.SqlServer ? "N" : "")}'{customer}';
            INSERT INTO orders (customer, number, sku, quantity) SELECT id, orders, 'tea', 2 FROM customers WHERE id = {(engine == SqlDialect.SqlServer ? "N" : "")}'{customer}';
            COMMIT;
            """;

        await Task.WhenAll(Customers.Select(customer => _bench.Client.ExecuteAsync(Order(customer), 5)));

        await _bench.RowsLieWhereOursWouldAsync();
        await _bench.StartAsync();
        await _bench.HandlesAsync(TenOfEach);
    }

    [Test]
    public async Task Rows_of_a_Python_script_reach_a_handler_in_the_order_of_their_keys_while_they_are_written()
    {
        if (engine != SqlDialect.Sqlite && engine != SqlDialect.PostgreSql)
            Assert.Pass("The sample's script speaks to SQLite and PostgreSQL.");
        var (python, database) = engine == SqlDialect.Sqlite
            ? (TestServers.Python(), new Microsoft.Data.Sqlite.SqliteConnectionStringBuilder(_bench.Database.ConnectionString).DataSource)
            : (TestServers.Python("psycopg2", "python3-psycopg2"), await NativeClient.ConninfoAsync(_bench.Database));
        var script = Path.Combine(Approved.Root, "Samples", "Polyglot", "python", "place_orders.py");
        await _bench.StartAsync();

        await Task.WhenAll(Customers.Select(customer => Task.Run(() =>
        {
            var (code, output) = TestServers.Start(python, script, database, "--customer", customer, "--count", "5");
            Assert.That(code, Is.Zero, output);
        })));

        await _bench.HandlesAsync(TenOfEach);
        await Eventually.EqualsAsync(() => Task.FromResult(_bench.StockChanges), 20, "the events of the rows with nothing but what is required");
    }

    [Test]
    public async Task All_of_them_may_write_one_key_at_once()
    {
        await _bench.StartAsync();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _bench.Client.RunAsync(_bench.Sample("sql"), 10, ("customer", "ben"), ("sku", "tea"), ("quantity", "1"))));

        await _bench.HandlesAsync(("ben", 40));
    }
}

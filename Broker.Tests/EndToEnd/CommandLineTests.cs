using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The commands beside <c>broker run</c>, as processes: what they print, and their exit codes.</summary>
internal sealed class CommandLineTests
{
    [Test]
    public async Task Ten_processes_that_create_the_tables_at_once_all_succeed_and_make_one_schema([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine, withTables: false);
        var folder = Configure(database);

        var processes = Enumerable.Range(0, 10).Select(_ => WorkerProcess.Run(folder, "schema", "--source", "orders", "--create")).ToList();
        foreach (var process in processes)
            Assert.That(await process.ExitAsync(TimeSpan.FromSeconds(60)), Is.Zero, process.Output);
        foreach (var process in processes)
            await process.DisposeAsync();

        await using var connection = await database.DataSource.OpenConnectionAsync();
        Assert.That(await OutboxSchema.CompareAsync(connection, CancellationToken.None), Is.Empty);
        Assert.That(await database.CountAsync("outbox_schema"), Is.EqualTo(1));
    }

    [Test]
    public async Task Checking_lists_every_difference_and_says_so_by_its_exit_code([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var folder = Configure(database);
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--check"), Is.EqualTo(ExitCodes.Ok));

        await database.ExecuteAsync("ALTER TABLE outbox_messages DROP COLUMN expires_at");
        await database.ExecuteAsync("DROP TABLE inbox_messages");

        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--check"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Contain("column outbox_messages.expires_at is missing").And.Contain("table inbox_messages is missing"));
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--create"), Is.EqualTo(ExitCodes.Failed), "what was made is not all that is needed");
        Assert.That(_output, Does.Contain("outbox_messages.expires_at is missing").And.Not.Contain("inbox_messages"));
    }

    [Test]
    public async Task A_database_can_be_named_without_a_configuration()
    {
        var folder = TestServers.Folder;
        var file = Path.Combine(folder, "own.db");

        Assert.That(await RunAsync(folder, "schema", "--database", "sqlite", "--connection-string", $"Data Source={file}", "--create"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await RunAsync(folder, "schema", "--database", "sqlite", "--connection-string", $"Data Source={file}", "--check"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await RunAsync(folder, "schema", "--database", "sqlite", "--create"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("--connection-string").And.Contain("BROKER_CONNECTION_STRING"));
    }

    [Test]
    public async Task The_script_is_printed_for_every_engine_and_any_spelling()
    {
        foreach (var dialect in SqlDialect.All)
        {
            Assert.That(await RunAsync(TestServers.Folder, "schema", "--database", dialect.Name.ToUpperInvariant()), Is.EqualTo(ExitCodes.Ok));
            Assert.That(_output.Trim(), Is.EqualTo(dialect.CreateTables.ReplaceLineEndings("\n").Trim()));
        }
        Assert.That(await RunAsync(TestServers.Folder, "schema", "--database", "mariadb", "--script"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await RunAsync(TestServers.Folder, "schema", "--database", "oracle"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(await RunAsync(TestServers.Folder, "schema", "--database", "sqlite", "--create", "--check"), Is.Not.Zero);
        Assert.That(_output, Does.Contain("Use one of --create, --script and --check"));
    }

    [Test]
    public async Task The_status_shows_what_waits_and_which_source_does_not_answer()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        for (var i = 0; i < 3; i++)
            await orders.InsertAsync();
        await orders.ExecuteAsync($"UPDATE outbox_messages SET created_at = {orders.Time(TimeSpan.FromSeconds(-90))} WHERE sequence = 2");
        var folder = Configure(orders);
        Assert.That(await RunAsync(folder, "status"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Match(@"orders\s+Sqlite\s+3\s+9\d\.\d s"));

        folder = TestServers.Folder;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new
        {
            Broker = new { Sources = new { orders = WorkerProcess.Source(orders), gone = new { Database = "Sqlite", ConnectionString = "Data Source=/nowhere/at/all.db" } } },
        }));
        Assert.That(await RunAsync(folder, "status"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Match(@"orders\s+Sqlite\s+3").And.Match(@"gone\s+Sqlite\s+\?\s+\?\s+\S"));
    }

    private string _output = "";

    private async Task<int> RunAsync(string folder, params string[] arguments)
    {
        await using var process = WorkerProcess.Run(folder, arguments);
        var code = await process.ExitAsync(TimeSpan.FromSeconds(30));
        // The pipes may end a little later than the process.
        await Eventually.IsTrueAsync(() => Task.FromResult(process.Output.Length > 0), "it says something");
        _output = process.Output;
        return code;
    }

    private static string Configure(TestDatabase database)
    {
        var folder = TestServers.Folder;
        File.WriteAllText(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new { Broker = new { Sources = new { orders = WorkerProcess.Source(database) } } }));
        return folder;
    }
}

using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The commands beside <c>broker run</c>, as processes: what they print, and their exit codes.</summary>
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed partial class CommandLineTests
{
    [Test]
    public async Task Ten_processes_that_create_the_tables_at_once_all_succeed_and_make_one_schema([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine, withTables: false);
        var folder = Configure(database);

        var processes = Enumerable.Range(0, 10).Select(_ => WorkerProcess.Run(folder, "schema", "--source", "orders", "--create")).ToList();
        foreach (var process in processes)
            Assert.That(await process.ExitAsync(TimeSpan.FromMinutes(2)), Is.Zero, process.Output);
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
        Assert.That(_output, Does.Contain("Use one of --create, --script, --check, --set-partitions and --set-notify"));
    }

    [Test]
    public async Task The_number_of_partitions_is_changed_by_the_command_and_a_wrong_one_is_refused()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var folder = Configure(orders);
        foreach (var wrong in (string[])["0", "1025", "-3", "many"])
        {
            Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-partitions", wrong), Is.Not.Zero, wrong);
            Assert.That(_output, Does.Contain(wrong));
        }
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-partitions", "4", "--check"), Is.Not.Zero);
        Assert.That(await orders.ScalarAsync<int>("SELECT partitions FROM outbox_settings"), Is.EqualTo(1));

        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-partitions", "4"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("changed from 1 to 4").And.Contain("the outbox has 4 partition(s)"));
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-partitions", "4"), Is.EqualTo(ExitCodes.Ok), "safe to repeat");
        Assert.That(_output, Does.Not.Contain("changed from"));
    }

    [Test]
    public async Task Notifications_are_switched_on_and_off_again_and_again_and_the_check_has_nothing_against_them()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        var folder = Configure(orders);
        Task<long> TriggersAsync() => orders.ScalarAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'outbox_messages'::regclass AND NOT tgisinternal");
        for (var i = 0; i < 2; i++)
        {
            Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-notify", "on"), Is.EqualTo(ExitCodes.Ok));
            Assert.That(_output, Does.Contain("inserts into the outbox notify relays that listen"));
            Assert.That(await TriggersAsync(), Is.EqualTo(1));
        }
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--check"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--create"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await TriggersAsync(), Is.EqualTo(1), "creating what is missing leaves it alone");

        // A writer that does not end keeps nobody waiting for long.
        await using (var connection = await orders.DataSource.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await orders.InsertAsync(transaction: transaction);
            Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-notify", "off"), Is.EqualTo(ExitCodes.Failed));
            Assert.That(_output, Does.Contain("nothing was changed, because open transactions use outbox_messages"));
        }
        for (var i = 0; i < 2; i++)
        {
            Assert.That(await RunAsync(folder, "schema", "--database", "postgresql", "--connection-string", orders.ConnectionString, "--set-notify", "off"), Is.EqualTo(ExitCodes.Ok));
            Assert.That(await TriggersAsync(), Is.Zero);
        }
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-notify", "perhaps"), Is.Not.Zero);
        Assert.That(await RunAsync(folder, "schema", "--source", "orders", "--set-notify", "on", "--check"), Is.Not.Zero);
        foreach (var engine in (string[])["SqlServer", "MySql", "Sqlite"])
        {
            Assert.That(await RunAsync(folder, "schema", "--database", engine, "--set-notify", "on"), Is.EqualTo(ExitCodes.Misconfigured));
            Assert.That(_output, Does.Contain($"--set-notify: {engine} has no LISTEN and NOTIFY"));
        }
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
        Assert.That(_output, Does.Match(@"orders\s+Sqlite\s+3\s+9\d\.\d s\s+0\s+0\s+0\s"));

        folder = TestServers.Folder;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new
        {
            Broker = new { Sources = new { orders = WorkerProcess.Source(orders), gone = new { Database = "Sqlite", ConnectionString = "Data Source=/nowhere/at/all.db" } } },
        }));
        Assert.That(await RunAsync(folder, "status"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Match(@"orders\s+Sqlite\s+3").And.Match(@"gone\s+Sqlite(\s+\?){9}\s+\S"));
    }

    [Test]
    public async Task Dead_letters_are_listed_redriven_and_discarded_and_the_status_names_them([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var orders = await TestDatabase.CreateAsync(engine);
        for (var i = 1; i <= 3; i++)
        {
            await orders.ExecuteAsync($"INSERT INTO dead_letters (side, consumer, source, message_id, type, partition_key, content_type, body, reason, attempts, state, sequence, {orders.Partition}, created_at) VALUES ('relay', '{i}', 'orders', @id, @type, 'order-7', 'application/json', @body, 'its headers are broken', 10, @state, {100 + i}, 0, {orders.Time(TimeSpan.Zero)})",
                ("id", Guid.CreateVersion7()), ("type", $"tests.dead-{i}.v1"), ("body", Array.Empty<byte>()), ("state", i == 1 ? "blocking" : "dead"));
        }
        await orders.ExecuteAsync($"INSERT INTO outbox_messages (message_id, {orders.Partition}, type, body) VALUES (@id, 9, 'tests.stray.v1', @body)", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        var blocked = Relay.RelayStatus.Write([new Relay.BlockedKey("type", null, "tests.unbound.v1", "no queue is bound", new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), 7)]);
        await orders.ExecuteAsync($"INSERT INTO relays (owner, expires_at, status) VALUES ('alive', {orders.Time(TimeSpan.FromMinutes(1))}, @status)", ("status", blocked));
        await orders.ExecuteAsync($"INSERT INTO relays (owner, expires_at, status) VALUES ('dead', {orders.Time(TimeSpan.FromMinutes(-1))}, @status)", ("status", blocked!.Replace("unbound", "forgotten", StringComparison.Ordinal)));
        var folder = Configure(orders);

        Assert.That(await RunAsync(folder, "status"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("type 'tests.unbound.v1' waits since 2026-01-02 03:04 UTC (7 rows): no queue is bound").And.Not.Contain("forgotten"));
        Assert.That(_output, Does.Match(@"orders\s+\w+\s+0\s+0\.0 s\s+0\s+0\s+1\s+0\s+0\s+1\s+3\s").And.Contain("key 'order-7' waits since").And.Contain("'tests.dead-1.v1': its headers are broken").And.Contain("1 rows lie in partitions that nobody reads"));
        Assert.That(await RunAsync(folder, "dead-letters", "list", "--source", "orders"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("tests.dead-1.v1").And.Contain("tests.dead-3.v1").And.Contain("order-7"));
        Assert.That(await RunAsync(folder, "dead-letters", "redrive", "--source", "orders"), Is.Not.Zero);
        Assert.That(_output, Does.Contain("Say which dead letters"));

        Assert.That(await RunAsync(folder, "dead-letters", "redrive", "--source", "orders", "--type", "tests.dead-1.v1"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("1 dead letter(s) put back"));
        Assert.That(await orders.ScalarAsync<long>("SELECT sequence FROM outbox_messages WHERE type = 'tests.dead-1.v1'"), Is.EqualTo(101), "in its old place");
        Assert.That(await RunAsync(folder, "dead-letters", "discard", "--source", "orders", "--all", "--reason", "test data"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("2 dead letter(s) discarded"));
        Assert.That((await orders.QueryAsync("SELECT error FROM dead_letters WHERE state = 'discarded'")).Select(r => r[0]), Is.All.Contain("test data").And.Exactly(2).Items);
        Assert.That(await RunAsync(folder, "dead-letters", "redrive", "--source", "orders", "--id", "2"), Is.EqualTo(ExitCodes.Misconfigured), "what was discarded stays");
        Assert.That(_output, Does.Contain("no dead letter is meant by that"));
    }

    [Test]
    public async Task A_replay_refuses_what_it_cannot_do_and_says_what_it_has_done()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var rabbitMq = await TestServers.RabbitMqAsync();
        var folder = TestServers.Folder;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new
        {
            Broker = new { RabbitMq = new { Uri = rabbitMq }, Sources = new { orders = WorkerProcess.Source(orders) } },
        }));
        var (queue, exchange) = (TestServers.NewName("queue"), TestServers.NewName("exchange"));
        string[] replay = ["replay", "--source", "orders", "--to-queue", queue];

        Assert.That(await RunAsync(folder, [.. replay, "--from", "2026-01-02", "--to", "2026-01-01"]), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("is not before --to"));
        Assert.That(await RunAsync(folder, [.. replay, "--from", "yesterday", "--to", "2026-01-01"]), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("--from is 'yesterday'"));
        Assert.That(await RunAsync(folder, [.. replay, "--from", "2000-01-01", "--to", "2100-01-01"]), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("the archive holds no such message"));
        await orders.ExecuteAsync("INSERT INTO outbox_archive (sequence, message_id, partition, type, content_type, body, created_at) VALUES (5, @id, 0, 'tests.old.v1', 'text/plain', @body, '2026-01-01 00:00:00.000')", ("id", Guid.CreateVersion7()), ("body", "old"u8.ToArray()));
        Assert.That(await RunAsync(folder, [.. replay, "--from", "2000-01-01", "--to", "2100-01-01"]), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain($"Queue '{queue}' does not exist"));
        await using var broker = await TestBroker.ConnectAsync(rabbitMq);
        await broker.DeclareExchangeAsync(exchange);
        await broker.DeclareQueueAsync(queue, exchange, "nothing");

        Assert.That(await RunAsync(folder, [.. replay, "--from", "2000-01-01", "--to", "2100-01-01"]), Is.EqualTo(ExitCodes.Ok), _output);
        Assert.That(_output, Does.Contain("1 of 1 messages published").And.Contain("last sequence 5"));
        Assert.That(System.Text.Encoding.UTF8.GetString((await broker.GetAsync(queue))!.Body.Span), Is.EqualTo("old"));
    }

    private string _output = "";

    private async Task<int> RunAsync(string folder, params string[] arguments)
    {
        await using var process = WorkerProcess.Run(folder, arguments);
        var code = await process.ExitAsync(TimeSpan.FromMinutes(2));
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

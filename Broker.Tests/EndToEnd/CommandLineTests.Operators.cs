using Broker.Tests.Support;
using Newtonsoft.Json.Linq;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <content>What an operator types when something does not flow.</content>
internal sealed partial class CommandLineTests
{
    [Test]
    public async Task A_message_is_followed_through_all_databases_and_one_that_is_away_is_named_and_hides_nothing([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var orders = await TestDatabase.CreateAsync(engine);
        await using var stock = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var id = Guid.CreateVersion7();
        await orders.ExecuteAsync($"INSERT INTO outbox_archive (sequence, message_id, {orders.Partition}, partition_key, type, content_type, body, created_at, published_at) VALUES (5, @id, 0, 'order-7', 'tests.placed.v1', 'text/plain', @body, {orders.Time(TimeSpan.FromSeconds(-60))}, {orders.Time(TimeSpan.FromSeconds(-59))})", ("id", id), ("body", Array.Empty<byte>()));
        await stock.ExecuteAsync($"INSERT INTO inbox_messages (consumer, message_id, received_at) VALUES ('stock', @id, {stock.Time(TimeSpan.FromSeconds(-50))})", ("id", id));
        await stock.ExecuteAsync($"INSERT INTO deferred_messages (consumer, message_id, type, partition_key, body, state, attempts, reason) VALUES ('customers', @id, 'tests.placed.v1', 'order-7', @body, 'failed', 3, 'deadlock victim')", ("id", id), ("body", Array.Empty<byte>()));
        var folder = Configure(("orders", orders), ("stock", stock));

        Assert.That(await RunAsync(folder, "message", $"{id}"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Match(@"tests\.placed\.v1\s+key 'order-7'").And.Match(@"orders\s+written\s+partition 0, sequence 5").And.Match(@"\+1\d{3} ms\s+orders\s+published").And.Match(@"\+1\d\.\d s\s+stock\s+stock applied").And.Match(@"customers: deferred\s+attempt 3, ""deadlock victim"""));
        Assert.That(await RunAsync(folder, "message", $"{id}", "--json"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output).SelectTokens("$.steps[*].kind").Select(k => (string?)k), Is.EqualTo(new[] { "written", "published", "applied", "deferred" }));

        folder = Configure(("orders", orders), ("gone", null), ("stock", stock));
        Assert.That(await RunAsync(folder, "message", $"{id}"), Is.EqualTo(ExitCodes.Failed), "not everybody was asked");
        Assert.That(_output, Does.Contain("broker: source 'gone' could not be asked").And.Contain("stock applied").And.Contain("published"));
        Assert.That(await RunAsync(folder, "message", $"{Guid.CreateVersion7()}"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Contain("no source that answered knows message"));
        Assert.That(await RunAsync(folder, "message", "order-7"), Is.EqualTo(ExitCodes.Misconfigured), "no id");
    }

    [Test]
    public async Task The_status_tells_programs_what_it_tells_people_with_relays_and_rates()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await orders.SetPartitionsAsync(2);
        for (var i = 0; i < 3; i++)
            await orders.InsertAsync();
        await orders.ExecuteAsync($"INSERT INTO relays (owner, expires_at) VALUES ('node-1', {orders.Time(TimeSpan.FromMinutes(1))})");
        await orders.ExecuteAsync($"INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', 'node-1', 1, {orders.Time(TimeSpan.FromMinutes(1))}), ('relay/1', 'node-2', 1, {orders.Time(TimeSpan.FromMinutes(-1))})");
        var folder = Configure(("orders", orders), ("gone", null));

        Assert.That(await RunAsync(folder, "status", "--json"), Is.EqualTo(ExitCodes.Failed));

        var sources = JObject.Parse(_output)["sources"]!.ToDictionary(s => (string)s["name"]!);
        Assert.That(sources["orders"].ToObject<Dictionary<string, object>>()!.Keys, Is.EqualTo(MarkdownFields("docs/cli.md", "Field of a source")), "the documented shape");
        Assert.That(((long)sources["orders"]["backlog"]!, (int)sources["orders"]["partitions"]!, (double)sources["orders"]["inPerSecond"]!, (double)sources["orders"]["outPerSecond"]!), Is.EqualTo((3L, 2, 0d, 0d)));
        Assert.That(sources["orders"]["relays"]!.ToString(Newtonsoft.Json.Formatting.None), Is.EqualTo("""[{"owner":"node-1","partitions":[0]}]"""));
        Assert.That((string?)sources["gone"]["trouble"], Is.Not.Empty);
        Assert.That(await RunAsync(folder, "status"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Contain("orders: 1 of 2 partition(s) are held by no relay"));
    }

    [Test]
    public async Task Watching_goes_on_until_it_is_stopped_and_shows_what_comes_in()
    {
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var process = WorkerProcess.Run(Configure(("orders", orders)), "status", "--watch", "1", "--json");
        await process.SaysAsync("\"inPerSecond\":0.0");
        for (var i = 0; i < 50; i++)
            await orders.InsertAsync();

        await Eventually.IsTrueAsync(() => Task.FromResult(process.Output.Split('\n').Where(l => l.StartsWith('{')).Select(l => JObject.Parse(l)["sources"]![0]!).Any(s => (double?)s["inPerSecond"] > 1 && (long)s["backlog"]! > 0)), "it shows the rate");

        Assert.That(await process.InterruptAsync(), Is.EqualTo(ExitCodes.Ok));
    }

    [Test]
    public async Task Dead_letters_are_paged_narrowed_shown_and_counted_before_anything_is_done()
    {
        await using var stock = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        for (var i = 1; i <= 5; i++)
            await LetterAsync(stock, i, i % 2 == 0 ? "no queue is bound" : "too large \u001b[31m");
        var folder = Configure(("stock", stock));

        Assert.That(await RunAsync(folder, "dead-letters", "list", "--source", "stock", "--limit", "2", "--json"), Is.EqualTo(ExitCodes.Ok));
        var page = JObject.Parse(_output);
        Assert.That((page.SelectTokens("$.deadLetters[*].id").Select(i => (int)i).ToArray(), (int)page["next"]!), Is.EqualTo((new[] { 1, 2 }, 2)));
        Assert.That(await RunAsync(folder, "dead-letters", "list", "--source", "stock", "--after", "2", "--text", "NO QUEUE", "--json"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output).SelectTokens("$.deadLetters[*].id").Select(i => (int)i), Is.EqualTo(new[] { 4 }));
        Assert.That(await RunAsync(folder, "dead-letters", "list", "--source", "stock", "--descending", "--sort", "failure", "--limit", "1", "--side", "relay", "--since", "2h"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("There are more: --after").And.Not.Match("\u001b"), "what a message holds does not reach the terminal");

        Assert.That(await RunAsync(folder, "dead-letters", "show", "1", "--source", "stock"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("\"sku\": \"a\"").And.Contain("at Stock.Reserve()").And.Contain("partition 0, sequence 101").And.Not.Match("\u001b"));
        Assert.That(await RunAsync(folder, "dead-letters", "show", "99", "--source", "stock"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("has no dead letter 99"));

        Assert.That(await RunAsync(folder, "dead-letters", "redrive", "--source", "stock", "--text", "no queue", "--dry-run"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("2 dead letter(s) are meant; nothing was done"));
        Assert.That((await stock.CountAsync("dead_letters"), await stock.CountAsync("outbox_messages")), Is.EqualTo((5L, 0L)));
        Assert.That(await RunAsync(folder, "dead-letters", "redrive", "--source", "stock", "--text", "no queue", "--reason", "bound now"), Is.EqualTo(ExitCodes.Ok), "nobody is asked without a terminal");
        Assert.That((await stock.CountAsync("dead_letters"), await stock.CountAsync("outbox_messages")), Is.EqualTo((3L, 2L)));
        Assert.That(await RunAsync(folder, "dead-letters", "history", "--source", "stock", "--json"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output).SelectTokens("$.actions[*].reason").Select(r => (string?)r), Is.EqualTo(new[] { "bound now", "bound now" }));
        Assert.That(await RunAsync(folder, "dead-letters", "list", "--source", "stock", "--since", "yesterday"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("--since is 'yesterday'"));
    }

    [Test]
    public async Task Deferred_messages_are_listed_with_when_they_are_tried_again()
    {
        await using var stock = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        for (var i = 1; i <= 3; i++)
            await stock.ExecuteAsync($"INSERT INTO deferred_messages (consumer, message_id, type, partition_key, body, state, attempts, reason, next_attempt_at) VALUES ('stock', @id, 'tests.a.v1', 'order-{i}', @body, 'failed', {i}, 'article unknown', '2030-01-31 14:02:11.000')", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));
        var folder = Configure(("stock", stock));

        Assert.That(await RunAsync(folder, "deferred", "list", "--source", "stock", "--limit", "2"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Match(@"stock\s+failed\s+2\s.*2030-01-31 14:02:11\s+tests\.a\.v1\s+order-2\s.*article unknown").And.Contain("There are more: --after 2").And.Not.Contain("order-3"));
        Assert.That(await RunAsync(folder, "deferred", "list", "--source", "stock", "--after", "2", "--json"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output).SelectTokens("$.deferred[*].key").Select(k => (string?)k), Is.EqualTo(new[] { "order-3" }));
        Assert.That(await RunAsync(folder, "deferred", "list", "--source", "stock", "--key", "order-9"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("nothing is deferred"));
    }

    [TestCase("'foo' is no command or option here. See 'broker --help'", "foo")]
    [TestCase("'--typo' is no command or option here. See 'broker dead-letters list --help'", "dead-letters", "list", "--source", "stock", "--typo")]
    [TestCase("--source", "dead-letters", "list")]
    [TestCase("Say which dead letters", "dead-letters", "discard", "--source", "stock", "--reason", "x")]
    [TestCase("no whole number of at least 1", "status", "--watch", "0")]
    public async Task A_wrong_command_line_is_answered_with_one_line_and_the_exit_code_of_a_mistake(string says, params string[] arguments)
    {
        Assert.That(await RunAsync(TestServers.Folder, arguments), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.StartWith("broker: ").And.Contain(says).And.Not.Contain("\n"));
    }

    private static Task<int> LetterAsync(TestDatabase database, int number, string reason) => database.ExecuteAsync(
        $"INSERT INTO dead_letters (side, consumer, source, message_id, type, partition_key, content_type, body, reason, error, attempts, state, sequence, {database.Partition}, created_at) "
        + $"VALUES ('relay', '{number}', 'stock', @id, 'tests.dead.v1', 'order-7', 'application/json', @body, @reason, 'at Stock.Reserve()', 10, 'dead', {100 + number}, 0, {database.Time(TimeSpan.Zero)})",
        ("id", Guid.CreateVersion7()), ("reason", reason), ("body", "{\"sku\":\"a\",\"note\":\"\u001b[2J\"}"u8.ToArray()));

    private static IEnumerable<string> MarkdownFields(string document, string column) => new Docs.MarkdownPage(document).Table(null, column).Select(r => Docs.MarkdownPage.Code(r[column]));

    /// <summary>A folder with a configuration of these sources; one without a database does not answer.</summary>
    private static string Configure(params (string Name, TestDatabase? Database)[] sources)
    {
        var folder = TestServers.Folder;
        File.WriteAllText(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new
        {
            Broker = new { Sources = sources.ToDictionary(s => s.Name, s => s.Database is { } database ? WorkerProcess.Source(database) : new { Database = "Sqlite", ConnectionString = "Data Source=/nowhere/at/all.db" }) },
        }));
        return folder;
    }
}

using System.Xml.Linq;
using Broker.Tests.Support;
using Newtonsoft.Json.Linq;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary><c>broker bench</c> as a process, with little to do: every verb gives its results and leaves nothing behind.</summary>
// Nobody looks at the figures, so they may be measured beside each other.
[Parallelizable(ParallelScope.All)]
internal sealed class BenchTests
{
    [TestCase("relay", "--messages", "1000", "--pairs", "1", "--warm-up", "0", "--naive", "100", "--keys", "50", "--partitions", "2", "--backlog", "1500", "--database", "PostgreSql")]
    [TestCase("relay", "--messages", "500", "--pairs", "1", "--warm-up", "0", "--naive", "100", "--bytes", "4096", "--database", "MySql")]
    [TestCase("relay", "--messages", "500", "--pairs", "1", "--warm-up", "0", "--naive", "100", "--database", "Sqlite")]
    [TestCase("inbox", "--messages", "300", "--pairs", "1", "--warm-up", "0", "--naive", "50", "--batches", "20", "--database", "PostgreSql")]
    [TestCase("inbox", "--failing", "--messages", "300", "--pairs", "1", "--warm-up", "0", "--batches", "20", "--seconds", "1", "--database", "PostgreSql")]
    [TestCase("end-to-end", "--messages", "300", "--pairs", "1", "--warm-up", "0", "--seconds", "1", "--database", "PostgreSql")]
    [TestCase("latency", "--seconds", "1", "--database", "PostgreSql")]
    [TestCase("latency", "--seconds", "1", "--across", "--database", "Sqlite")]
    [TestCase("commits", "--seconds", "1", "--pairs", "1", "--warm-up", "0", "--database", "PostgreSql")]
    [TestCase("retention", "--rows", "3000", "--inserts", "500", "--pairs", "1", "--warm-up", "0", "--seconds", "3", "--database", "Sqlite")]
    [TestCase("saga", "--seconds", "1", "--pairs", "1", "--warm-up", "0", "--concurrency", "2", "--database", "PostgreSql")]
    [TestCase("idle", "--seconds", "3", "--nodes", "2", "--sources", "2", "--database", "Sqlite")]
    [TestCase("locks", "--seconds", "1", "--pairs", "1", "--warm-up", "0", "--database", "PostgreSql")]
    public async Task A_measurement_writes_its_results_and_leaves_nothing_behind(string verb, params string[] arguments)
    {
        var folder = TestServers.Folder;
        if (verb == "locks")
            _ = (TestServers.Redis(), TestServers.Etcd());
        await using var bench = WorkerProcess.Run(folder, ["bench", verb, .. arguments, .. await ServersAsync(arguments[^1], folder), "--json", Path.Combine(folder, "out.json"), "--chart", Path.Combine(folder, "out.svg")]);

        Assert.That(await bench.ExitAsync(TimeSpan.FromMinutes(5)), Is.Zero, bench.Output);

        var json = JObject.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "out.json")));
        Assert.That((string?)json["bench"], Is.EqualTo(verb));
        Assert.That((int?)json["machine"]!["cores"], Is.EqualTo(Environment.ProcessorCount));
        Assert.That((string?)json["parameters"]!["database"], Is.EqualTo(arguments[^1]));
        if (verb is not ("retention" or "locks"))
            Assert.That((string?)json["versions"]!["rabbitmq"], Does.StartWith("RabbitMQ "));
        Assert.That(json["results"]!.Children<JProperty>().Select(r => (double)r.Value), Is.Not.Empty.And.All.GreaterThan(verb == "latency" ? -1 : 0));
        Assert.That(json["samples"]!.Select(s => (double)s["result"]!["seconds"]!), Is.Not.Empty.And.All.Positive);
        Assert.That(json["samples"]!.Select(s => (double)s["result"]!["peakBytes"]!), Has.All.Positive);
        Assert.That(json.ToString(), Does.Not.Contain("guest"), "no connection string, no password");
        Assert.That(XDocument.Load(Path.Combine(folder, "out.svg")).Root!.Name.LocalName, Is.EqualTo("svg"));
        await AreGoneAsync([.. json["scratch"]!.Select(s => (string)s!)], arguments[^1], folder);
    }

    [Test]
    public async Task Two_phase_commits_are_measured_beside_local_transactions()
    {
        var folder = TestServers.Folder;
        TestServers.MariaDb();
        await using var bench = WorkerProcess.Run(folder, ["bench", "two-phase", "--seconds", "1", "--rounds", "1", "--clients", "2", .. await ServersAsync("PostgreSql", folder), "--json", Path.Combine(folder, "out.json")]);

        Assert.That(await bench.ExitAsync(TimeSpan.FromMinutes(2)), Is.Zero, bench.Output);

        var json = JObject.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "out.json")));
        Assert.That(json["results"]!.Children<JProperty>().Where(r => r.Name.EndsWith("transactions a second", StringComparison.Ordinal)).Select(r => (double)r.Value), Has.Exactly(4).Positive);
        await AreGoneAsync([.. json["scratch"]!.Select(s => (string)s!)], "PostgreSql", folder);
    }

    [Test]
    public async Task Interrupted_it_removes_what_it_made()
    {
        var folder = TestServers.Folder;
        await using var bench = WorkerProcess.Run(folder, ["bench", "relay", "--messages", "50000", .. await ServersAsync("PostgreSql", folder)]);
        await bench.SaysAsync("warm-up: relay");

        Assert.That(await bench.InterruptAsync(), Is.EqualTo(ExitCodes.Failed), bench.Output);

        Assert.That(bench.Output, Does.Contain("interrupted"));
        var made = bench.Output.Split('\n').Where(l => l.StartsWith("made ", StringComparison.Ordinal)).Select(l => l["made ".Length..]).ToList();
        Assert.That(made, Has.Count.EqualTo(2), "a queue and a database");
        await AreGoneAsync(made, "PostgreSql", folder);
    }

    [TestCase("--messages", "0")]
    [TestCase("--pairs", "many")]
    [TestCase("--database", "oracle")]
    [TestCase("--connection-string", "postgres")]
    [TestCase("--rabbitmq", "amqp://guest:secret@127.0.0.1:1/")]
    public async Task A_mistake_is_named_and_no_password_is_repeated(string option, string value)
    {
        await TestServers.RabbitMqAsync();
        await TestServers.PostgreSqlAsync();
        await using var bench = WorkerProcess.Run(TestServers.Folder, "bench", "relay", option, value);

        Assert.That(await bench.ExitAsync(TimeSpan.FromMinutes(2)), Is.Not.Zero, bench.Output);

        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Output.Contains(option, StringComparison.Ordinal)), $"it names {option}, but it said:\n{bench.Output}\n");
        Assert.That(bench.Output, Does.Not.Contain("secret").And.Not.Contain("   at "));
    }

    private static async Task<string[]> ServersAsync(string engine, string folder)
    {
        if (engine == SqlDialect.PostgreSql.Name)
            await TestServers.PostgreSqlAsync();
        if (engine == SqlDialect.MySql.Name)
            TestServers.MariaDb();
        return ["--rabbitmq", await TestServers.RabbitMqAsync(), .. engine == SqlDialect.Sqlite.Name ? (string[])["--connection-string", folder] : []];
    }

    private static async Task AreGoneAsync(IReadOnlyList<string> names, string engine, string folder)
    {
        Assert.That(names, Is.Not.Empty);
        await using var broker = await TestBroker.ConnectAsync();
        await using var database = engine == SqlDialect.Sqlite.Name ? null : await TestDatabase.CreateAsync(SqlDialect.All.Single(d => d.Name == engine), withTables: false);
        var databases = engine == SqlDialect.PostgreSql.Name ? "SELECT count(*) FROM pg_database WHERE datname = @name" : "SELECT count(*) FROM information_schema.schemata WHERE schema_name = @name";
        foreach (var name in names)
        {
            Assert.That(await broker.CountAsync(name), Is.Null, $"queue {name}");
            Assert.That(async () => await broker.PublishAsync(name, "x", new RabbitMQ.Client.BasicProperties(), default), Throws.Exception, $"exchange {name}");
            if (database is not null)
                Assert.That(await database.ScalarAsync<long>(databases, ("name", name)), Is.Zero, $"database {name}");
        }
        Assert.That(Directory.EnumerateFiles(folder, "bench_*"), Is.Empty);
    }
}

using Broker.Tests.Support;
using Newtonsoft.Json;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>A running worker takes a changed configuration over, and sources that it does not change never notice (G7).</summary>
internal sealed class ConfigurationReloadTests
{
    private string _uri = "";
    private string _exchange = "";
    private string _file = "";
    private TestDatabase _stays = null!;
    private TestDatabase _other = null!;

    [SetUp]
    public async Task Prepare()
    {
        (_uri, _exchange) = (await TestServers.RabbitMqAsync(), TestServers.NewName("exchange"));
        _file = Path.Combine(TestServers.Folder, "worker.json");
        (_stays, _other) = (await TestDatabase.CreateAsync(SqlDialect.PostgreSql), await TestDatabase.CreateAsync(SqlDialect.Sqlite));
    }

    [TearDown]
    public async Task Close()
    {
        if (_stays is not null)
            await _stays.DisposeAsync();
        if (_other is not null)
            await _other.DisposeAsync();
    }

    [Test]
    public async Task Sources_come_change_and_go_while_the_others_keep_their_leases()
    {
        Write(new { stays = Source(_stays) });
        await using var worker = Start();
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), _exchange);
        await PublishedAsync(_stays, collector, 1);
        var token = await TokenAsync(_stays);

        Write(new { stays = Source(_stays), other = Source(_other) });
        await PublishedAsync(_other, collector, 2);
        var first = await TokenAsync(_other);

        Write(new { stays = Source(_stays), other = new { Database = "Sqlite", _other.ConnectionString, Relay = new { Window = 7 } } });
        await Eventually.IsTrueAsync(async () => await TokenAsync(_other) > first, "the changed source starts again");
        await PublishedAsync(_other, collector, 3);

        Write(new { stays = Source(_stays) });
        await worker.SaysAsync("removed: other");
        await Eventually.EqualsAsync(() => _other.ScalarAsync<long>("SELECT count(*) FROM relays"), 0, "the removed source has taken leave");
        await _other.InsertAsync();
        await PublishedAsync(_stays, collector, 4);

        Assert.That(await TokenAsync(_stays), Is.EqualTo(token));
        Assert.That(await _other.CountAsync("outbox_messages"), Is.EqualTo(1), "nobody relays the removed source");
        Assert.That(await worker.TerminateAsync(), Is.EqualTo(ExitCodes.Ok));
    }

    [Test]
    public async Task The_dashboard_of_a_running_worker_shows_sources_that_come_and_forgets_those_that_go()
    {
        var users = new { ada = new { PasswordHash = TestDashboard.Users["Broker:Dashboard:Users:ada:PasswordHash"], Role = "Operator" } };
        object Configuration(object sources) => new { RabbitMq = new { Uri = _uri }, Exchange = _exchange, Dashboard = new { Users = users }, Sources = sources };
        await using var worker = WorkerHttp.Start(Configuration(new { stays = Source(_stays) }), _file, "relay,dashboard");
        using var browser = TestDashboard.Browser(worker.Address);
        await worker.HealthBecomesAsync("/health/ready", "source/stays", "idle");
        Assert.That(await SourcesAsync(browser), Is.EqualTo(new[] { "stays" }));

        await File.WriteAllTextAsync(_file, JsonConvert.SerializeObject(new { Broker = Configuration(new { stays = Source(_stays), other = Source(_other) }) }));
        await Eventually.EqualsAsync(async () => string.Join(", ", await SourcesAsync(browser)), "other, stays", "the sources on the overview");
        await Eventually.IsTrueAsync(async () => (await browser.GetStringAsync("/dashboard/broker/sources/other")).Contains("process ", StringComparison.Ordinal), "its relay is seen");

        await File.WriteAllTextAsync(_file, JsonConvert.SerializeObject(new { Broker = Configuration(new { stays = Source(_stays) }) }));
        await Eventually.EqualsAsync(async () => string.Join(", ", await SourcesAsync(browser)), "stays", "the sources on the overview");
        Assert.That((await browser.GetAsync("/dashboard/broker/sources/other")).StatusCode, Is.EqualTo(System.Net.HttpStatusCode.NotFound));
        Assert.That(await worker.Process.TerminateAsync(), Is.EqualTo(ExitCodes.Ok));
    }

    [TestCase("{ \"Broker\": ", "worker.json")]
    [TestCase("{ \"Broker\": { \"RabbitMq\": { \"Uri\": \"amqp://guest:s3cret@127.0.0.1:1/\" }, \"Sources\": { \"stays\": { \"Database\": \"Oracle\", \"ConnectionString\": \"Password=s3cret\" } } } }", "Broker:Sources:stays:Database is 'Oracle'")]
    public async Task A_configuration_with_a_mistake_is_refused_as_a_whole_and_the_old_one_goes_on(string json, string says)
    {
        Write(new { stays = Source(_stays) });
        await using var worker = Start();
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), _exchange);
        await PublishedAsync(_stays, collector, 1);
        var token = await TokenAsync(_stays);

        await File.WriteAllTextAsync(_file, json);
        await worker.SaysAsync("refused as a whole");
        await worker.SaysAsync(says);
        await PublishedAsync(_stays, collector, 2);

        Assert.That(await TokenAsync(_stays), Is.EqualTo(token));
        Assert.That(worker.Output, Does.Not.Contain("s3cret"));
        Assert.That(worker.Output.Split("refused as a whole"), Has.Length.EqualTo(2), "it is told once");
        Write(new { stays = Source(_stays), other = Source(_other) });
        await PublishedAsync(_other, collector, 3);
    }

    [Test]
    public async Task SIGHUP_reads_the_configuration_again_and_does_not_end_the_worker()
    {
        Write(new { stays = Source(_stays) });
        await using var worker = Start();
        await worker.SaysAsync("draining partition 0");
        worker.Hangup();
        await worker.SaysAsync("no source has changed");
        Assert.That(await worker.TerminateAsync(), Is.EqualTo(ExitCodes.Ok));
    }

    /// <summary>The sources that the overview's table names.</summary>
    private static async Task<IReadOnlyList<string>> SourcesAsync(HttpClient browser) =>
        [.. System.Text.RegularExpressions.Regex.Matches(await browser.GetStringAsync("/dashboard/broker"), "/dashboard/broker/sources/([a-z]+)\"").Select(m => m.Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];

    private static object Source(TestDatabase database) => WorkerProcess.Source(database);

    private static Task<long> TokenAsync(TestDatabase database) => database.ScalarAsync<long>("SELECT token FROM leases WHERE name = 'relay/0'");

    private static async Task PublishedAsync(TestDatabase database, Collector collector, int distinct)
    {
        await database.InsertAsync();
        await collector.ReachAsync(distinct);
    }

    private void Write(object sources) => File.WriteAllText(_file, JsonConvert.SerializeObject(new { Broker = new { RabbitMq = new { Uri = _uri }, Exchange = _exchange, Sources = sources } }));

    private WorkerProcess Start() => WorkerProcess.Run(Path.GetDirectoryName(_file)!, "run", "--roles", "relay", "--config", _file);
}

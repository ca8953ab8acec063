using System.Net;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Newtonsoft.Json.Linq;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What a worker tells probes and scrapers.</summary>
internal sealed class WorkerTelemetryTests
{
    private static readonly object Away = new { Database = "PostgreSql", ConnectionString = "Host=127.0.0.1;Port=1;Username=u;Password=s3cret;Database=d;Timeout=2" };

    private string _uri = "";
    private string _exchange = "";
    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare()
    {
        (_uri, _exchange) = (await TestServers.RabbitMqAsync(), TestServers.NewName("exchange"));
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
    }

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_worker_that_works_is_live_ready_and_healthy_and_says_of_what()
    {
        await using var worker = WorkerHttp.Start(Configuration(new { orders = WorkerProcess.Source(_database) }));

        var (code, source) = await worker.HealthBecomesAsync("/health/ready", "source/orders", "idle");

        Assert.That((code, (string?)source["status"], (string?)source["reason"]), Is.EqualTo((HttpStatusCode.OK, "Healthy", "There is nothing to publish.")));
        Assert.That((await worker.HealthBecomesAsync("/health", "rabbitmq", "connected")).Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await worker.HealthBecomesAsync("/health", "configuration", "in use")).Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await worker.HealthBecomesAsync("/health", "process", "running")).Code, Is.EqualTo(HttpStatusCode.OK));
        var live = (await worker.GetAsync("/health/live"))!.Value;
        Assert.That((live.Code, (string?)JObject.Parse(live.Text)["status"]), Is.EqualTo((HttpStatusCode.OK, "Healthy")));
    }

    [Test]
    public async Task A_source_that_is_down_degrades_the_worker_and_stops_neither_it_nor_its_other_sources()
    {
        await using var worker = WorkerHttp.Start(Configuration(new { orders = WorkerProcess.Source(_database), stock = Away }));

        var (ready, source) = await worker.HealthBecomesAsync("/health/ready", "source/stock", "database away");

        Assert.That((string?)source["status"], Is.EqualTo("Degraded"));
        Assert.That(ready, Is.EqualTo(HttpStatusCode.OK), "another worker would not reach it either");
        Assert.That((await worker.HealthBecomesAsync("/health", "source/stock", "database away")).Code, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That((await worker.HealthBecomesAsync("/health/ready", "source/orders", "idle")).Part["status"]!.ToString(), Is.EqualTo("Healthy"));
        Assert.That((await worker.GetAsync("/health/live"))!.Value.Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await worker.GetAsync("/health/ready"))!.Value.Text, Does.Not.Contain("s3cret"));
    }

    [Test]
    public async Task A_broker_that_is_down_degrades_the_worker()
    {
        await using var worker = WorkerHttp.Start(new { RabbitMq = new { Uri = "amqp://guest:s3cret@127.0.0.1:1/" }, Exchange = _exchange, Sources = new { orders = WorkerProcess.Source(_database) } });

        await worker.HealthBecomesAsync("/health/ready", "process", "running");
        Assert.That((await worker.HealthBecomesAsync("/health/ready", "rabbitmq", "away")).Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await worker.HealthBecomesAsync("/health", "source/orders", "broker away")).Code, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That((await worker.GetAsync("/health"))!.Value.Text, Does.Not.Contain("s3cret"));
    }

    [Test]
    public async Task A_broker_without_room_on_its_disk_degrades_the_worker_until_it_has_some()
    {
        var uri = await TestServers.RestrictedUserAsync(".*");
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), _exchange);
        await using var worker = WorkerHttp.Start(new { RabbitMq = new { Uri = uri }, Exchange = _exchange, Sources = new { orders = WorkerProcess.Source(_database) } });
        await _database.InsertAsync();
        await collector.ReachAsync(1);
        Assert.That((string?)(await worker.HealthBecomesAsync("/health/ready", "rabbitmq", "connected")).Part["status"], Is.EqualTo("Healthy"));

        TestServers.Alarm(uri, isFull: true);
        // RabbitMQ says it to who publishes.
        await _database.InsertAsync();
        var (code, part) = await worker.HealthBecomesAsync("/health/ready", "rabbitmq", "blocked");
        Assert.That((code, (string?)part["status"]), Is.EqualTo((HttpStatusCode.OK, "Degraded")));
        Assert.That((string?)part["reason"], Does.Contain("low on disk"));
        await worker.HealthBecomesAsync("/health/ready", "source/orders", "broker blocked");

        TestServers.Alarm(uri, isFull: false);
        await worker.HealthBecomesAsync("/health/ready", "rabbitmq", "connected");
        await collector.ReachAsync(2);
    }

    [Test]
    public async Task A_worker_that_drains_nothing_has_no_use_for_the_broker_and_one_that_stops_says_so()
    {
        await using var other = await RunningRelay.StartAsync(_database, new ScriptedTransport(), "orders");
        await Eventually.IsTrueAsync(() => Task.FromResult(other.Source.State.Beat is { Held: 1 }), "another relay drains");
        await using var worker = await TestDashboard.StartAsync(
            new Dictionary<string, TestDatabase> { ["orders"] = _database }, new Dictionary<string, string?> { ["Broker:RabbitMq:Uri"] = _uri, ["Broker:Exchange"] = _exchange }, "relay,dashboard");

        await Eventually.EqualsAsync(async () => (await PartAsync(worker, "source/orders")).State, "stand-by", "the relay's state");
        Assert.That(await PartAsync(worker, "rabbitmq"), Is.EqualTo(("unused", "Healthy")));
        Assert.That(await PartAsync(worker, "process"), Is.EqualTo(("running", "Healthy")));
        worker.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Assert.That(await PartAsync(worker, "process"), Is.EqualTo(("stopping", "Unhealthy")));
    }

    [Test]
    public async Task A_configuration_that_is_refused_degrades_the_worker_until_it_is_mended()
    {
        var file = Path.Combine(TestServers.Folder, "worker.json");
        await using var worker = WorkerHttp.Start(Configuration(new { orders = WorkerProcess.Source(_database) }), file);
        await worker.HealthBecomesAsync("/health/ready", "configuration", "in use");
        var good = await File.ReadAllTextAsync(file);

        await File.WriteAllTextAsync(file, good.Replace("\"Sqlite\"", "\"Oracle\"", StringComparison.Ordinal));
        var (code, part) = await worker.HealthBecomesAsync("/health/ready", "configuration", "refused");
        Assert.That((code, (string?)part["status"]), Is.EqualTo((HttpStatusCode.OK, "Degraded")));
        Assert.That((string?)part["reason"], Does.Contain("'Oracle'"));

        await File.WriteAllTextAsync(file, good);
        await worker.HealthBecomesAsync("/health/ready", "configuration", "in use");
    }

    [Test]
    public async Task Metrics_are_served_as_Prometheus_reads_them_or_not_at_all()
    {
        await using var transport = TestTransport.CreateRabbitMq(_uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), _exchange);
        await using var worker = WorkerHttp.Start(Configuration(new { orders = WorkerProcess.Source(_database) }));
        await _database.InsertAsync();
        await collector.ReachAsync(1);

        var text = "";
        await Eventually.IsTrueAsync(async () => (text = (await worker.GetAsync("/metrics"))?.Text ?? "").Contains("outbox_relay_settled_total", StringComparison.Ordinal), "the message is counted");

        var samples = PrometheusText.Parse(text);
        Assert.That(samples.Where(s => s.Name == "outbox_relay_published_total" && s.Labels["source"] == "orders").Select(s => s.Value), Is.EqualTo(new[] { 1.0 }));
        Assert.That(samples.Where(s => s.Name == "outbox_relay_up").Select(s => (s.Labels["source"], s.Labels["engine"], s.Value)), Is.EqualTo(new[] { ("orders", "Sqlite", 1.0) }));
        Assert.That(samples.Where(s => s.Name == "messaging_client_operation_duration_seconds_bucket").Select(s => s.Labels["messaging_system"]).Distinct(), Is.EqualTo(new[] { "rabbitmq" }));
        Assert.That(samples.Any(s => s.Name.StartsWith("dotnet_", StringComparison.Ordinal)), Is.True, "the runtime's own metrics are there too");
        await using var silent = WorkerHttp.Start(new { RabbitMq = new { Uri = _uri }, Exchange = _exchange, Telemetry = new { Prometheus = false }, Sources = new { orders = WorkerProcess.Source(_database) } });
        await silent.HealthBecomesAsync("/health/ready", "process", "running");
        Assert.That((await silent.GetAsync("/metrics"))!.Value.Code, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [TestCase("OtlpEndpoint", "collector:4317", "Broker:Telemetry:OtlpEndpoint")]
    [TestCase("OtlpProtocol", "carrier pigeon", "Use grpc or http/protobuf")]
    [TestCase("Prometheus", "maybe", "Use true or false")]
    [TestCase("Otlp", "x", "can hold: Prometheus, OtlpEndpoint, OtlpProtocol")]
    public async Task A_setting_that_is_not_valid_is_refused_at_the_start(string key, string value, string says)
    {
        await using var worker = WorkerProcess.Start(new { RabbitMq = new { Uri = _uri }, Sources = new { orders = WorkerProcess.Source(_database) }, Telemetry = new Dictionary<string, string> { [key] = value } });

        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(worker.Output, Does.Contain(says));
    }

    private static async Task<(string? State, string? Status)> PartAsync(TestDashboard worker, string part)
    {
        var report = await worker.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Name == "ready");
        var data = (IReadOnlyDictionary<string, object>)report.Entries.Single().Value.Data[part];
        return (data["state"] as string, data["status"] as string);
    }

    private object Configuration(object sources) => new { RabbitMq = new { Uri = _uri }, Exchange = _exchange, Sources = sources };
}

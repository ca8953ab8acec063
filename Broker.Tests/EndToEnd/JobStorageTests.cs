using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Broker.Tests.Support;
using Npgsql;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What a worker with all roles does while the database of its jobs is away.</summary>
internal sealed class JobStorageTests
{
    private const string AllRoles = "relay,jobs,dashboard";
    private const string Away = "cannot be used now";

    private string _exchange = "";
    private string _uri = "";
    private TestDatabase _database = null!;
    private Collector _collector = null!;
    private RabbitMqTransport _transport = null!;

    [SetUp]
    public async Task Prepare()
    {
        (_uri, _exchange) = (await TestServers.RabbitMqAsync(), TestServers.NewName("exchange"));
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        _transport = TestTransport.CreateRabbitMq(_uri);
        _collector = await Collector.StartAsync(_transport, TestServers.NewName("queue"), _exchange);
    }

    [TearDown]
    public async Task Close()
    {
        if (_collector is not null)
            await _collector.DisposeAsync();
        if (_transport is not null)
            await _transport.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task Relays_go_on_while_it_is_away_and_jobs_and_dashboard_come_with_it()
    {
        var server = new NpgsqlConnectionStringBuilder(await TestServers.PostgreSqlAsync());
        await using var admin = NpgsqlDataSource.Create(server);
        var name = TestServers.NewName("jobs").Replace('-', '_');
        await ExecuteAsync(admin, $"CREATE DATABASE {name}");
        try
        {
            var port = TestPort.Next();
            var storage = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name, Host = "127.0.0.1", Port = port, Password = "s3cret", Timeout = 5 };
            await using var worker = WorkerHttp.Start(Configuration("PostgreSql", storage.ConnectionString), roles: AllRoles);
            using var browser = Browser(worker);

            await ItRelaysAsync(1);
            var (code, part) = await worker.HealthBecomesAsync("/health/ready", "jobs", "storage away");
            Assert.That((code, (string?)part["status"]), Is.EqualTo((HttpStatusCode.OK, "Degraded")));
            Assert.That((string?)part["reason"], Does.Contain("Relays go on").And.Contain("PostgreSql").And.Not.Contain("s3cret"));
            await worker.Process.SaysAsync(Away);
            await ItIsToldToWaitAsync(worker, browser);

            await using (var proxy = TcpProxy.To(server.Host!, server.Port, port))
            {
                await worker.HealthBecomesAsync("/health/ready", "jobs", "storage reached");
                await DashboardShowsAsync(browser, "/dashboard/recurring", "retention");
                await DashboardShowsAsync(browser, "/dashboard/jobs/succeeded", "StuckJob");
                await DashboardShowsAsync(browser, "/dashboard/broker", "Overview");
                Assert.That(Told(worker, Away), Is.LessThanOrEqualTo(5), "an outage is no flood");
                Assert.That(Told(worker, "jobs and the dashboard go on"), Is.EqualTo(1));

                proxy.Cut(refuse: true);
                await worker.HealthBecomesAsync("/health/ready", "jobs", "storage away");
                await ItRelaysAsync(2);
                await ItIsToldToWaitAsync(worker, browser);

                proxy.Resume();
                await worker.HealthBecomesAsync("/health/ready", "jobs", "storage reached");
                await DashboardShowsAsync(browser, "/dashboard/broker", "Overview");
                Assert.That(await worker.Process.TerminateAsync(), Is.Zero, worker.Process.Output);
            }
            Assert.That(worker.Process.Output, Does.Not.Contain("s3cret"));
        }
        finally
        {
            await ExecuteAsync(admin, $"DROP DATABASE {name} WITH (FORCE)");
        }
    }

    [TestCase("PostgreSql", "Host=127.0.0.1;Port=1;Username=u;Password=s3cret;Database=d")]
    [TestCase("SqlServer", "Server=127.0.0.1,1;User ID=u;Password=s3cret;Database=d;Connect Timeout=5;TrustServerCertificate=true")]
    public async Task A_worker_that_waits_for_it_relays_and_stops_in_order(string storage, string connectionString)
    {
        await using var worker = WorkerHttp.Start(Configuration(storage, connectionString), roles: AllRoles);

        await ItRelaysAsync(1);
        await worker.Process.SaysAsync(Away);
        await worker.HealthBecomesAsync("/health/ready", "jobs", "storage away");

        Assert.That(await worker.Process.TerminateAsync(), Is.Zero, worker.Process.Output);
        Assert.That(worker.Process.Output, Does.Not.Contain("s3cret").And.Not.Contain("   at "), "neither a password nor a stack");
    }

    [Test]
    public async Task A_storage_that_refuses_the_user_is_an_error_for_a_person_and_stops_no_relay()
    {
        var storage = new NpgsqlConnectionStringBuilder(await TestServers.PostgreSqlAsync()) { Username = "nobody_of_this_name" };
        await using var worker = WorkerHttp.Start(Configuration("PostgreSql", storage.ConnectionString), roles: AllRoles);

        await worker.Process.SaysAsync("The storage of the jobs (PostgreSql) refuses:");
        await ItRelaysAsync(1);
    }

    private object Configuration(string storage, string connectionString) => new
    {
        RabbitMq = new { Uri = _uri },
        Exchange = _exchange,
        Sources = new { orders = WorkerProcess.Source(_database) },
        Jobs = new { Storage = storage, ConnectionString = connectionString },
        Dashboard = new { Users = new { ada = new { PasswordHash = TestDashboard.Users["Broker:Dashboard:Users:ada:PasswordHash"], Role = "Operator" } } },
    };

    private async Task ItRelaysAsync(int messages)
    {
        await _database.InsertAsync();
        await _collector.ReachAsync(messages);
    }

    /// <summary>The page for who is known, and nothing for who is not.</summary>
    private static async Task ItIsToldToWaitAsync(WorkerHttp worker, HttpClient browser)
    {
        using var page = await browser.GetAsync("/dashboard/broker");
        var text = await page.Content.ReadAsStringAsync();
        Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(page.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/html"));
        Assert.That(text, Does.Contain("waits for the storage of the jobs").And.Contain("PostgreSql").And.Not.Contain("s3cret").And.Not.Contain("Username"));
        Assert.That((await worker.GetAsync("/dashboard/broker"))!.Value.Code, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    private static Task DashboardShowsAsync(HttpClient browser, string path, string text) => Eventually.IsTrueAsync(
        async () =>
        {
            using var page = await browser.GetAsync(path);
            return page.StatusCode == HttpStatusCode.OK && (await page.Content.ReadAsStringAsync()).Contains(text, StringComparison.Ordinal);
        },
        $"{path} shows '{text}'");

    private static int Told(WorkerHttp worker, string text) => worker.Process.Output.Split('\n').Count(line => line.Contains(text, StringComparison.Ordinal));

    private static HttpClient Browser(WorkerHttp worker) => new()
    {
        BaseAddress = worker.Address,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ada:{TestDashboard.Password}"))) },
    };

    private static async Task ExecuteAsync(NpgsqlDataSource server, string statement)
    {
        await using var command = server.CreateCommand(statement);
        await command.ExecuteNonQueryAsync();
    }
}

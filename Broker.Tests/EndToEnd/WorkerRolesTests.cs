using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Broker.Tests.Support;
using Newtonsoft.Json;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The worker with its roles, as a process.</summary>
internal sealed class WorkerRolesTests
{
    private const string Nowhere = "amqp://guest:s3cret@127.0.0.1:1/";

    [Test]
    public async Task A_worker_with_all_roles_stops_in_order_under_load_within_ten_seconds()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        var (uri, exchange, url) = (await TestServers.RabbitMqAsync(), TestServers.NewName("exchange"), $"http://127.0.0.1:{TestPort.Next()}");
        await using var transport = TestTransport.CreateRabbitMq(uri);
        await using var collector = await Collector.StartAsync(transport, TestServers.NewName("queue"), exchange);
        await database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body) SELECT gen_random_uuid(), 'tests.something.v1', '\\x7b7d'::bytea FROM generate_series(1, 20000)");
        var users = TestDashboard.Users;
        var configuration = new
        {
            RabbitMq = new { Uri = uri },
            Exchange = exchange,
            Sources = new { orders = WorkerProcess.Source(database) },
            Dashboard = new { Users = new { ada = new { PasswordHash = users["Broker:Dashboard:Users:ada:PasswordHash"], Role = "Operator" } } },
        };
        await using var worker = Start(configuration, "--urls", url);
        using var browser = new HttpClient { BaseAddress = new Uri(url) };
        browser.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ada:{TestDashboard.Password}")));
        await worker.SaysAsync("draining partition 0");
        await Eventually.IsTrueAsync(
            async () =>
            {
                try
                {
                    return (await browser.GetAsync("/dashboard/broker")).StatusCode == HttpStatusCode.OK;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            "the dashboard answers");
        await collector.ReachAsync(300);

        var clock = Stopwatch.StartNew();
        Assert.That(await worker.TerminateAsync(), Is.Zero, worker.Output);

        Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)));
        Assert.That(await database.CountAsync("leases WHERE expires_at > clock_timestamp()"), Is.Zero, "a lease is still held");
        var left = await database.CountAsync("outbox_messages");
        await collector.ReachAsync(20_000 - (int)left);
        Assert.That(collector.Arrived, Has.Count.EqualTo(20_000 - left), "what was sent is settled, and nothing else is");
    }

    [Test]
    public async Task An_occupied_port_is_told_in_one_line_before_anything_begins()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var url = $"http://localhost:{((IPEndPoint)other.LocalEndpoint).Port}";
        await using var worker = Start(Configuration(), "--urls", url);

        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await worker.SaysAsync(url);
        Assert.That(worker.Output.Trim(), Does.StartWith("broker: The worker cannot listen").And.Not.Contain("\n").And.Contain("--urls"));
    }

    private static IEnumerable<TestCaseData> Mistakes()
    {
        static TestCaseData Case(object more, params string[] says) => new TestCaseData(more, says).SetArgDisplayNames(says[0]);
        yield return Case(new { Roles = "relay,cooking" }, "Broker:Roles is 'relay,cooking'", "relay, jobs and dashboard");
        yield return Case(new { Http = new { Urls = "localhost:8080" } }, "Broker:Http:Urls is 'localhost:8080'", "http://localhost:8080");
        yield return Case(new { Http = new { Proxies = "proxy" } }, "Broker:Http:Proxies holds 'proxy'", "10.1.0.0/16");
        yield return Case(new { Dashboard = new { Users = new { ada = new { PasswordHash = "s3cret" } } } }, "Broker:Dashboard:Users:ada:PasswordHash is no hash", "broker dashboard hash-password");
        yield return Case(new { Dashboard = new { Oidc = new { Authority = "http://login.example.com/" } } }, "Broker:Dashboard:Oidc:Authority is 'http://login.example.com/'", "https://");
        yield return Case(new { Dashboard = new { Mask = "card" } }, "Broker:Dashboard:Mask is 'card'", "$.card.number");
        yield return Case(new { Dashboard = new { Masks = "$.card" } }, "Broker:Dashboard:Masks is no known setting", "Mask");
        yield return Case(new { Jobs = new { Storage = "Oracle" } }, "Broker:Jobs:Storage is 'Oracle'", "SqlServer, PostgreSql, InMemory");
        yield return Case(new { Jobs = new { Storage = "PostgreSql" } }, "Broker:Jobs:ConnectionString is missing", "Host=");
        yield return Case(new { Jobs = new { Redrive = new { all = new { Cron = "often" } } } }, "Broker:Jobs:Redrive:all:Cron is 'often'", "0 * * * *");
        yield return Case(new { Jobs = new { StuckAfter = "soon" } }, "Broker:Jobs:StuckAfter is 'soon'", "30.00:00:00");
    }

    [TestCaseSource(nameof(Mistakes))]
    public async Task A_mistake_ends_the_worker_with_one_line_that_says_what_to_change(object more, string[] says)
    {
        await using var worker = Start(Configuration(more));

        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured), worker.Output);
        foreach (var text in says)
            await worker.SaysAsync(text);
        Assert.That(worker.Output.Trim().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(worker.Output, Does.Not.Contain("s3cret"));
    }

    [TestCase("--roles", "cooking")]
    [TestCase("--urls", "localhost")]
    public async Task A_mistake_on_the_command_line_names_the_option(string option, string value)
    {
        await using var worker = Start(Configuration(), option, value);

        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await worker.SaysAsync($"{option} is '{value}'");
    }

    [Test]
    public async Task Systemd_is_told_that_the_worker_is_ready_and_that_it_stops()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var folder = TestServers.Folder;
        var file = Path.Combine(folder, "worker.json");
        await File.WriteAllTextAsync(file, JsonConvert.SerializeObject(new { Broker = new { RabbitMq = new { Uri = Nowhere }, Sources = new { orders = WorkerProcess.Source(database) } } }));
        var path = Path.Combine(folder, "notify");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.ReceiveTimeout = 20_000;
        // Its parent has to be systemd: a shell of that name is taken for it.
        var parent = Path.Combine(folder, "systemd");
        File.Copy("/bin/sh", parent);
        var start = new ProcessStartInfo(parent, ["-c", $"dotnet {BuiltProgram.Path("Broker")} run --roles relay --config {file} > {folder}/log 2>&1 & echo $!; wait $!"]) { RedirectStandardOutput = true };
        start.Environment["NOTIFY_SOCKET"] = path;
        using var process = Process.Start(start)!;
        var worker = await process.StandardOutput.ReadLineAsync();

        Assert.That(Receive(socket), Does.Contain("READY=1"));
        Process.Start("kill", $"-TERM {worker}").WaitForExit();
        Assert.That(Receive(socket), Does.Contain("STOPPING=1"));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        await process.WaitForExitAsync(limit.Token);
        Assert.That(process.ExitCode, Is.Zero);
    }

    private static string Receive(Socket socket)
    {
        var buffer = new byte[1_024];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }

    private static string Configuration(object? more = null)
    {
        var broker = Newtonsoft.Json.Linq.JObject.FromObject(new { RabbitMq = new { Uri = Nowhere }, Sources = new { orders = new { Database = "Sqlite", ConnectionString = "Data Source=nowhere.db" } } });
        if (more is not null)
            broker.Merge(Newtonsoft.Json.Linq.JObject.FromObject(more));
        return JsonConvert.SerializeObject(new { Broker = broker });
    }

    private static WorkerProcess Start(object configuration, params string[] arguments)
    {
        var folder = TestServers.Folder;
        var file = Path.Combine(folder, "worker.json");
        File.WriteAllText(file, configuration as string ?? JsonConvert.SerializeObject(new { Broker = configuration }));
        return WorkerProcess.Run(folder, ["run", "--config", file, .. arguments]);
    }
}

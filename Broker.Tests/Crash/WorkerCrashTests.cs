using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Tests.Crash;

/// <summary>Real workers, real servers, real ends: SIGKILL, SIGTERM, a broker that restarts, servers that come later (G2, G3, G8).</summary>
internal sealed class WorkerCrashTests
{
    private const int Keys = 20;

    [Test]
    public async Task A_worker_that_is_killed_again_and_again_loses_nothing_and_keeps_the_order_of_each_key([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await using var run = await Run.StartAsync([database]);
        var written = await WriteAsync(database, 4_000);
        for (var kill = 1; kill <= 3; kill++)
        {
            await using var worker = run.StartWorker();
            await run.Collector.ReachAsync(Math.Min(3_900, kill * 400));
            await worker.KillAsync();
        }
        await using var last = run.StartWorker();
        await run.Collector.ReachAsync(4_000);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "every row is settled");
        run.AssertOrder(written);
        Assert.That(await last.TerminateAsync(), Is.Zero);
    }

    [Test]
    public async Task A_worker_that_is_told_to_stop_under_load_settles_what_it_sent_and_gives_its_lease_up()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await using var run = await Run.StartAsync([database]);
        await WriteAsync(database, 4_000);
        // Long enough not to be lost on a busy machine, and too long to be waited for.
        const string Lease = "00:00:30";
        await using (var worker = run.StartWorker(Lease))
        {
            await run.Collector.ReachAsync(300);
            Assert.That(await worker.TerminateAsync(), Is.Zero, worker.Output);
        }
        Assert.That(await database.ScalarAsync<bool>("SELECT expires_at <= clock_timestamp() FROM leases"), Is.True, "the lease is still held");
        await using var next = run.StartWorker(Lease);
        await run.Collector.ReachAsync(4_000);
        Assert.That(run.Collector.Arrived, Has.Count.EqualTo(4_000), "an orderly stop repeated messages");
    }

    [Test]
    public async Task A_worker_started_before_its_broker_and_its_databases_waits_for_them_and_then_works()
    {
        var rabbitMq = new Uri(await TestServers.RabbitMqAsync());
        await using var early = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var run = await Run.StartAsync([early]);
        await WriteAsync(early, 10);
        var file = Path.Combine(TestServers.Folder, "later.db");
        var port = TestPort.Next();
        await using var worker = WorkerProcess.Start(new
        {
            RabbitMq = new { Uri = new UriBuilder(rabbitMq) { Host = "127.0.0.1", Port = port }.Uri.ToString() },
            run.Exchange,
            Sources = new { early = WorkerProcess.Source(early), later = new { Database = "Sqlite", ConnectionString = $"Data Source={file}" } },
        });
        await worker.SaysAsync("RabbitMQ is not there yet");
        await worker.SaysAsync("Source 'later': the database is not there yet");
        await worker.SaysAsync("Source 'early' (Sqlite): draining");

        await using var proxy = TcpProxy.To(rabbitMq.Host, rabbitMq.Port > 0 ? rabbitMq.Port : 5672, port);
        await run.Collector.ReachAsync(10);

        await using (var source = Microsoft.Data.Sqlite.SqliteFactory.Instance.CreateDataSource($"Data Source={file}"))
        await using (var connection = await source.OpenConnectionAsync())
        {
            await connection.Command(SqlDialect.Sqlite.CreateTables).ExecuteAsync(CancellationToken.None);
            await connection.Command($"INSERT INTO outbox_messages (message_id, type, body) VALUES ('{Guid.CreateVersion7()}', 'tests.later.v1', x'00')").ExecuteAsync(CancellationToken.None);
        }
        await run.Collector.ReachAsync(11);
        Assert.That(worker.HasExited, Is.False);
    }

    [Test]
    public async Task A_worker_keeps_the_rows_that_no_queue_takes_says_so_and_drains_them_once_one_does()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await using var run = await Run.StartAsync([database]);
        await using var broker = await TestBroker.ConnectAsync();
        await broker.DeleteQueueAsync(run.Exchange);
        await run.Collector.DisposeAsync();
        await broker.DeleteQueueAsync(run.Exchange);
        var written = await WriteAsync(database, 500);
        await using var worker = run.StartWorker();
        await worker.SaysAsync($"messages of type 'tests.something.v1' to exchange '{run.Exchange}' cannot be published: no queue is bound");
        Assert.That(await database.CountAsync("outbox_messages"), Is.EqualTo(500));

        await broker.DeclareQueueAsync(run.Exchange, run.Exchange, "tests.#");
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the backlog drains by itself");
        // On a busy machine the lease may be lost meanwhile: then some come twice.
        Assert.That(await broker.DrainAsync(run.Exchange), Is.SupersetOf(written.Values.SelectMany(ids => ids)));
    }

    [Test, Category("Alone")]
    public async Task A_broker_that_restarts_under_load_costs_no_message_and_no_order()
    {
        var servers = Environment.GetEnvironmentVariable("BROKER_SERVERS");
        var own = servers is null ? "" : TestServers.Start("bash", servers, "env", "rabbitmq").Output;
        if (servers is null || !own.Contains(Environment.GetEnvironmentVariable("BROKER_TEST_RABBITMQ") ?? "none", StringComparison.Ordinal))
            Assert.Ignore("RabbitMQ was not started by docker/servers.sh, so it is not ours to restart.");
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await using var stock = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var run = await Run.StartAsync([orders, stock]);
        await using var worker = run.StartWorker();
        var writing = Task.WhenAll(WriteSlowlyAsync(orders, 2_000), WriteSlowlyAsync(stock, 2_000));
        await run.Collector.ReachAsync(300);
        Assert.That(TestServers.Start("bash", servers, "restart", "rabbitmq").Code, Is.Zero);
        var written = await writing;
        await run.Collector.ReachAsync(4_000, TimeSpan.FromSeconds(60));
        foreach (var database in (TestDatabase[])[orders, stock])
            await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "every row is settled");
        foreach (var source in written)
            run.AssertOrder(source);
        Assert.That(await worker.TerminateAsync(), Is.Zero);
    }

    private static async Task<Dictionary<string, List<Guid>>> WriteAsync(TestDatabase database, int count)
    {
        var written = new Dictionary<string, List<Guid>>();
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        for (var i = 0; i < count; i++)
        {
            var key = $"{database.Dialect}-{i % Keys}";
            if (!written.TryGetValue(key, out var ids))
                written.Add(key, ids = []);
            ids.Add(await database.InsertAsync(key: key, transaction: transaction));
        }
        await transaction.CommitAsync();
        return written;
    }

    private static async Task<Dictionary<string, List<Guid>>> WriteSlowlyAsync(TestDatabase database, int count)
    {
        var written = new Dictionary<string, List<Guid>>();
        for (var i = 0; i < count; i += 50)
        {
            foreach (var (key, ids) in await WriteAsync(database, 50))
            {
                if (!written.TryAdd(key, ids))
                    written[key].AddRange(ids);
            }
            await Task.Yield();
        }
        return written;
    }

    /// <summary>Workers of one test, and a queue that collects everything they publish.</summary>
    private sealed class Run : IAsyncDisposable
    {
        private readonly RabbitMqTransport _transport;
        private readonly IReadOnlyList<TestDatabase> _databases;
        private readonly string _uri;

        private Run(string uri, string exchange, RabbitMqTransport transport, Collector collector, IReadOnlyList<TestDatabase> databases) =>
            (_uri, Exchange, _transport, Collector, _databases) = (uri, exchange, transport, collector, databases);

        public string Exchange { get; }

        public Collector Collector { get; }

        public static async Task<Run> StartAsync(IReadOnlyList<TestDatabase> databases)
        {
            var uri = await TestServers.RabbitMqAsync();
            var name = TestServers.NewName("worker");
            var transport = new RabbitMqTransport(new RabbitMqOptions { Uri = new Uri(uri) }, NullLoggerFactory.Instance, TimeProvider.System);
            return new Run(uri, name, transport, await Collector.StartAsync(transport, name, name), databases);
        }

        public WorkerProcess StartWorker(string lease = "00:00:01") => WorkerProcess.Start(new
        {
            RabbitMq = new { Uri = _uri },
            Exchange,
            // A killed worker's successor waits for its lease.
            Relay = new { LeaseDuration = lease },
            Sources = _databases.Select((d, i) => (Name: $"source-{i}", Source: WorkerProcess.Source(d))).ToDictionary(s => s.Name, s => s.Source),
        });

        public void AssertOrder(Dictionary<string, List<Guid>> written)
        {
            foreach (var (key, ids) in written)
                Assert.That(Collector.Applied(key), Is.EqualTo(ids), $"order of {key}");
        }

        public async ValueTask DisposeAsync()
        {
            await Collector.DisposeAsync();
            await _transport.DisposeAsync();
        }
    }
}

using System.Data.Common;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>The database wakes the relay, whoever has written. Time stands still for these relays, so they find nothing by looking.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[Parallelizable(ParallelScope.Self)]
internal sealed class PostgreSqlNotifyTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly SqlDialect Dialect = SqlDialect.PostgreSql;

    private readonly TestLog _log = new();
    private readonly InMemoryTransport _transport = new();
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private TestDatabase _database = null!;
    private Collector _collector = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(Dialect);
        _collector = await Collector.StartAsync(_transport);
    }

    [TearDown]
    public async Task Close()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        if (_collector is not null)
            await _collector.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
        await _transport.DisposeAsync();
        _stop.Dispose();
        _log.Dispose();
    }

    [Test]
    public async Task A_row_that_a_foreign_program_inserts_is_published_without_a_look_of_the_relay()
    {
        await _database.ExecuteAsync(Dialect.CreateNotify!);
        _running.Add(Relay(Source(notify: true)));
        await _log.FirstAsync("the database tells of commits");
        // Wakes of before have rested, and nothing of the relay's own is due.
        _time.Advance(TimeSpan.FromMilliseconds(10));
        await AsleepAsync();

        var id = await _database.InsertAsync();

        await _collector.ReachAsync(1);
        Assert.That(_collector.Arrived.Single().Id, Is.EqualTo(id));
    }

    [Test]
    public async Task A_listener_whose_session_is_terminated_comes_back_and_finds_what_was_inserted_meanwhile()
    {
        await _database.ExecuteAsync(Dialect.CreateNotify!);
        await using var switchable = new SwitchableDataSource(_database.DataSource);
        var source = Source(notify: false);
        _running.Add(Relay(source));
        _running.Add(Listen(switchable, source.Signal.Wake));
        await _log.FirstAsync("the database tells of commits");
        await AsleepAsync();

        var refused = switchable.GoAway();
        await _database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = @name AND query ~ 'pg_trigge[r]' AND pid <> pg_backend_pid()", ("name", Schema(_database)));
        await refused;
        var first = await _database.InsertAsync();
        Assert.That(_collector.Arrived, Is.Empty, "nobody has told the relay yet");
        switchable.ComeBack();
        await _collector.ReachAsync(1);
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "the row is settled");
        await AsleepAsync();
        var second = await _database.InsertAsync();
        await _collector.ReachAsync(2);

        Assert.That(_collector.Arrived.Select(a => a.Id), Is.EqualTo(new[] { first, second }));
        Assert.That(_log.Entries.Count(e => e.Id == 3206), Is.EqualTo(1), "one line for one outage, however often it was tried");
        Assert.That(_log.Entries.Count(e => e.Id == 3205), Is.EqualTo(2));
    }

    [Test]
    public async Task A_connection_that_is_dead_without_being_closed_is_noticed_and_replaced()
    {
        await _database.ExecuteAsync(Dialect.CreateNotify!);
        var server = new NpgsqlConnectionStringBuilder(_database.ConnectionString);
        await using var proxy = TcpProxy.To(server.Host!, server.Port);
        await using var dataSource = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Host = "127.0.0.1", Port = proxy.Port, SslMode = SslMode.Disable, Timeout = 2 });
        var wakes = new SemaphoreSlim(0);
        _running.Add(Listen(dataSource, () => wakes.Release(), TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500)));
        await _log.FirstAsync("the database tells of commits");
        await WokenAsync(wakes);

        proxy.Stall();
        await _log.FirstAsync(e => e.Id == 3206);
        proxy.Resume();

        await WokenAsync(wakes);
        await _database.InsertAsync();
        await WokenAsync(wakes);
    }

    [Test]
    public async Task Two_outboxes_in_one_database_do_not_wake_each_other()
    {
        await using var other = await TestDatabase.CreateAsync(Dialect);
        await _database.ExecuteAsync(Dialect.CreateNotify!);
        await other.ExecuteAsync(Dialect.CreateNotify!);
        var heard = 0;
        await using var connection = (NpgsqlConnection)await _database.DataSource.OpenConnectionAsync();
        connection.Notification += (_, _) => heard++;
        Assert.That(await connection.Command(Dialect.Listen!).ScalarAsync(None), Is.True);

        // What was committed before a command is heard by its end.
        async Task HearAsync()
        {
            for (var i = 0; i < 2; i++)
                await connection.Command(Dialect.Listen!).ScalarAsync(None);
        }

        await other.InsertAsync();
        await HearAsync();
        Assert.That(heard, Is.Zero);
        await _database.InsertAsync();
        await HearAsync();
        Assert.That(heard, Is.EqualTo(1));
        await other.ExecuteAsync(Dialect.DropNotify!);
        await _database.InsertAsync();
        await HearAsync();
        Assert.That(heard, Is.EqualTo(2), "the other one's end is not this one's");
    }

    [Test]
    public async Task What_is_made_lies_in_the_schema_of_the_table_and_goes_without_a_trace()
    {
        await using var empty = await TestDatabase.CreateAsync(Dialect, withTables: false);
        await using var through = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_database.ConnectionString) { SearchPath = $"{Schema(empty)},{Schema(_database)}" });
        await using var connection = await through.OpenConnectionAsync();
        Task<object?> CountAsync() => connection.Command("SELECT count(*) FROM pg_proc WHERE proname = 'outbox_notify' AND pronamespace IN (@a::regnamespace, @b::regnamespace)").With("a", Schema(empty)).With("b", Schema(_database)).ScalarAsync(None);

        await connection.Command(Dialect.CreateNotify!).ExecuteAsync(None);
        Assert.That(await _database.ScalarAsync<string>("SELECT pronamespace::regnamespace::text FROM pg_proc JOIN pg_trigger ON tgfoid = pg_proc.oid WHERE tgrelid = 'outbox_messages'::regclass"), Is.EqualTo(Schema(_database)));
        Assert.That(await CountAsync(), Is.EqualTo(1));
        Assert.That(await OutboxSchema.CompareAsync(connection, None), Is.Empty);

        await connection.Command(Dialect.DropNotify!).ExecuteAsync(None);
        Assert.That(await CountAsync(), Is.EqualTo(0));
    }

    [Test]
    public async Task A_database_that_was_never_told_to_notify_is_named_once_with_what_to_type()
    {
        var wakes = new SemaphoreSlim(0);
        _running.Add(Listen(_database.DataSource, () => wakes.Release(), TimeSpan.FromMilliseconds(20)));
        await _log.FirstAsync("broker schema --source tests --set-notify on");
        var asked = new HashSet<string?>();
        await Eventually.IsTrueAsync(async () =>
        {
            asked.UnionWith((await _database.QueryAsync("SELECT CAST(query_start AS text) FROM pg_stat_activity WHERE application_name = @name AND query ~ 'pg_trigge[r]' AND pid <> pg_backend_pid()", ("name", Schema(_database)))).Select(r => r[0]));
            return asked.Count > 3;
        }, "it asks again and again");
        Assert.That(_log.Entries.Count(e => e.Id == 3207), Is.EqualTo(1));
        Assert.That(_log.Entries.Where(e => e.Id == 3206), Is.Empty, "on one connection");
        await WokenAsync(wakes);

        // Some of them come while it asks.
        await _database.ExecuteAsync(Dialect.CreateNotify!);
        for (var i = 0; i < 100; i++)
        {
            await _database.InsertAsync();
            await WokenAsync(wakes);
        }
    }

    [Test]
    public async Task A_relay_that_ends_leaves_no_connection_behind_that_still_listens()
    {
        await using var alone = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_database.ConnectionString) { MaxPoolSize = 1, NoResetOnClose = true });
        using var stop = new CancellationTokenSource();
        var listening = Listen(alone, () => { }, stoppingToken: stop.Token);
        await _log.FirstAsync("the database tells of commits");

        await stop.CancelAsync();
        await listening;

        await using var connection = await alone.OpenConnectionAsync();
        Assert.That(await connection.Command("SELECT count(*) FROM pg_listening_channels()").ScalarAsync(None), Is.EqualTo(0));
    }

    [Test]
    public async Task A_relay_inside_a_service_listens_when_its_outbox_says_so()
    {
        await using var host = await TestHost.StartAsync(services => services.AddDbContext<OrdersContext>(_database.Configure).AddOutbox<OrdersContext>(outbox =>
        {
            outbox.Options.Notify = true;
            outbox.UseInMemory().AddRelay();
        }));

        await host.Log.FirstAsync("Source 'orders': the database tells of commits");
    }

    [Test]
    public async Task Other_engines_are_refused_by_name([Values("SqlServer", "MySql", "Sqlite")] string engine)
    {
        Assert.That(SqlDialect.TryParse(engine, out var dialect), Is.True);
        Assert.That(() => dialect!.CheckNotify("Broker:Sources:orders:Notify"), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains($"Broker:Sources:orders:Notify: {engine} has no LISTEN and NOTIFY. Only PostgreSql has"));
        if (engine != "Sqlite")
            return;
        await using var database = await TestDatabase.CreateAsync(dialect!);
        await using var host = TestHost.Build(services => services.AddDbContext<OrdersContext>(database.Configure).AddOutbox<OrdersContext>(outbox =>
        {
            outbox.Options.Notify = true;
            outbox.UseInMemory().AddRelay();
        }));
        Assert.That(() => host.Services.GetServices<IHostedService>().ToList(), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("Outbox 'orders', Notify: Sqlite has no LISTEN"));
    }

    private RelaySource Source(bool notify, DbDataSource? dataSource = null) => new()
    {
        Name = "tests",
        Dialect = Dialect,
        DataSource = dataSource ?? _database.DataSource,
        Transport = _transport,
        Doorbell = false,
        Notify = notify,
    };

    private Task Relay(RelaySource source) => new SourceRelay(source, "relay", _time, _log.CreateLogger("relay"), StepSignals.None).RunAsync(_stop.Token);

    private Task Listen(DbDataSource dataSource, Action wake, TimeSpan? quiet = null, TimeSpan? patience = null, CancellationToken? stoppingToken = null)
    {
        var listener = new NotifyListener(Source(notify: true, dataSource), wake, TimeProvider.System, _log.CreateLogger("listener")) { Quiet = quiet ?? TimeSpan.FromSeconds(30), Patience = patience ?? TimeSpan.FromSeconds(10) };
        return listener.RunAsync(stoppingToken ?? _stop.Token);
    }

    /// <summary>The relay drains and has nothing to do: no session of the database has been asked anything for a while.</summary>
    private async Task AsleepAsync()
    {
        await _log.FirstAsync("draining partition 0");
        var (same, before) = (0, "");
        await Eventually.IsTrueAsync(async () =>
        {
            var now = await _database.ScalarAsync<string>("SELECT string_agg(pid || state || state_change, ',' ORDER BY pid) FROM pg_stat_activity WHERE application_name = @name AND query NOT LIKE '%pg_stat_activity%'", ("name", Schema(_database)));
            (same, before) = (now == before ? same + 1 : 0, now!);
            return same == 10;
        }, "the relay sleeps");
    }

    private static string Schema(TestDatabase database) => ((TestPostgreSql)database).Schema;

    private static async Task WokenAsync(SemaphoreSlim wakes) => Assert.That(await wakes.WaitAsync(TimeSpan.FromSeconds(60)), Is.True, "nobody woke the relay");
}

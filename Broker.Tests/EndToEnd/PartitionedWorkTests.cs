using System.Collections.Concurrent;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Locks;
using Outbox.PartitionedWork;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Work in partitions: live processes share it evenly, hand it over when what is in hand has ended, and a stale run's writes are refused.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class PartitionedWorkTests(SqlDialect engine)
{
    private readonly List<TestHost> _hosts = [];
    private TestDatabase _database = null!;
    private Board _board = new();

    [SetUp]
    public async Task Prepare() => (_board, _database) = (new Board(), await TestDatabase.CreateAsync(engine));

    [TearDown]
    public async Task Close()
    {
        _board.Finish.TrySetResult();
        foreach (var host in _hosts)
            await host.DisposeAsync();
        _hosts.Clear();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task Processes_share_the_partitions_evenly_and_take_over_what_another_leaves()
    {
        _board.Finish.SetResult();
        var first = await StartAsync("first");
        await SharesBecomeAsync("first 6");
        await StartAsync("second");
        await SharesBecomeAsync("first 3, second 3");

        await first.DisposeAsync();

        await SharesBecomeAsync("second 6");
        Assert.That(_board.Overlaps, Is.Zero, "two worked on one partition at once");
        foreach (var runs in _board.Runs.GroupBy(r => r.Partition))
            Assert.That(runs.Select(r => r.Token), Is.Ordered.And.Unique, "each run's token is higher than those before");
    }

    [Test]
    public async Task A_partition_is_handed_over_only_when_what_is_in_hand_has_ended()
    {
        await StartAsync("first");
        await SharesBecomeAsync("first 6");
        await StartAsync("second");
        await _board.Stopping.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(_board.Shares, Is.EqualTo("first 6"), "the second one waits for the first one's work");

        _board.Finish.SetResult();

        await SharesBecomeAsync("first 3, second 3");
        Assert.That(_board.Overlaps, Is.Zero);
    }

    [Test]
    public async Task A_run_that_has_been_overtaken_can_write_nothing_that_it_guards()
    {
        await StartAsync("first");
        await SharesBecomeAsync("first 6");
        var stale = _board.Runs.Single(r => r.Partition == 4);
        await GuardAsync(stale);
        // As if the process had slept past its lease: by the database's clock anybody may take it.
        await _database.ExecuteAsync(engine.ReleaseLease, ("name", "worker/index/6/partition/4"), ("token", stale.Token));
        await using var next = await new DatabaseLeases(_database.DataSource, engine, TimeProvider.System).TryAcquireAsync("worker/index/6/partition/4", "other", TimeSpan.FromMinutes(5), CancellationToken.None, isFenced: true);

        Assert.That(async () => await GuardAsync(stale), Throws.InstanceOf<LockLostException>().With.Property("Token").EqualTo(stale.Token));

        var lost = new TaskCompletionSource();
        await using var _ = stale.LostToken.Register(lost.SetResult);
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Test]
    public void Keys_belong_to_the_partition_that_the_outbox_would_give_them()
    {
        var owners = Enumerable.Range(0, 6).Where(p => new PartitionRun(p, 6, null!).Owns("order-7"));

        Assert.That(owners, Is.EqualTo(new[] { Outbox.Messages.Partitioner.PartitionOf("order-7", 6) }));
    }

    [Test]
    public void A_wrong_setting_is_named()
    {
        var services = new ServiceCollection();

        Assert.That(() => services.AddPartitionedWorker<Index>(0), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("'index'").And.Message.Contains("0 partitions"));
        services.AddPartitionedWorker<Index>(3, o => o.Source = "orders");
        Assert.That(() => services.AddPartitionedWorker<Index>(4), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("added twice"));
        Assert.That(() => services.AddPartitionedWorker<Index>(3, o => o.Source = "stock"), Throws.Nothing, "leases in another database");
        Assert.That(() => services.AddPartitionedWorker<Index>(3, o => o.Name = "No Name"), Throws.InstanceOf<OutboxConfigurationException>().With.Message.Contains("'No Name'"));
    }

    private async Task<TestHost> StartAsync(string name)
    {
        var host = await TestHost.StartAsync(services =>
        {
            services.AddSingleton(_board);
            services.AddSingleton(new ProcessName(name));
            services.AddOutbox("orders", _ => _database.DataSource, outbox => outbox.UseInMemory());
            services.AddPartitionedWorker<Index>(partitions: 6);
        });
        _hosts.Add(host);
        return host;
    }

    private Task SharesBecomeAsync(string shares) => Eventually.EqualsAsync(() => Task.FromResult(_board.Shares), shares, "the shares");

    private async Task GuardAsync(PartitionRun run)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await run.GuardAsync(transaction);
        await transaction.CommitAsync();
    }

    private sealed record ProcessName(string Name);

    /// <summary>What all processes of a test write on.</summary>
    private sealed class Board
    {
        private readonly ConcurrentDictionary<int, string> _workers = new();
        private int _overlaps;

        public ConcurrentQueue<PartitionRun> Runs { get; } = new();

        public TaskCompletionSource Finish { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Stopping { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Overlaps => _overlaps;

        public string Shares => string.Join(", ", _workers.Values.CountBy(w => w).OrderBy(w => w.Key, StringComparer.Ordinal).Select(w => $"{w.Key} {w.Value}"));

        public void Begin(PartitionRun run, string name)
        {
            Runs.Enqueue(run);
            if (!_workers.TryAdd(run.Partition, name))
                Interlocked.Increment(ref _overlaps);
        }

        public void End(PartitionRun run) => _workers.TryRemove(run.Partition, out _);
    }

    private sealed class Index(Board board, ProcessName process) : IPartitionedWorker
    {
        public async Task RunAsync(PartitionRun run, CancellationToken stoppingToken)
        {
            board.Begin(run, process.Name);
            await Task.Delay(Timeout.InfiniteTimeSpan, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            board.Stopping.TrySetResult();
            await board.Finish.Task;
            board.End(run);
        }
    }
}

using System.Threading.Channels;
using Broker.Dashboard;
using Broker.Dashboard.Snapshots;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What watching costs a source, and what it tells.</summary>
internal sealed class SourceWatchTests
{
    private static readonly TimeSpan RestOfIdle = SourceWatch.IdleInterval - SourceWatch.Interval;

    private Clock _time = null!;
    private CancellationTokenSource _stop = null!;
    private TestDatabase _database = null!;
    private SwitchableDataSource _dataSource = null!;
    private SourceWatch _watch = null!;
    private Task _running = Task.CompletedTask;

    [SetUp]
    public async Task Prepare()
    {
        (_time, _stop) = (new Clock(), new CancellationTokenSource());
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        _dataSource = new SwitchableDataSource(_database.DataSource);
        _watch = new SourceWatch(new DashboardSource { Name = "orders", Dialect = SqlDialect.Sqlite, DataSource = _dataSource, Exchange = "events", Options = new RelayOptions() }, _time, new TestLog().CreateLogger("watch"));
    }

    [TearDown]
    public async Task Close()
    {
        await _stop.CancelAsync();
        await _running;
        await _dataSource.DisposeAsync();
        await _database.DisposeAsync();
        _stop.Dispose();
    }

    [Test]
    public async Task However_many_look_a_source_is_asked_once_in_two_seconds()
    {
        Start();
        for (var asked = 1; asked <= 5; asked++)
        {
            Assert.That(await _time.NextWaitAsync(), Is.EqualTo(SourceWatch.Interval));
            Assert.That(_watch.Current.Points, Has.Count.EqualTo(asked));
            await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => _watch.LookAsync()));
            _time.Advance(SourceWatch.Interval);
        }
    }

    [Test]
    public async Task When_nobody_looks_a_source_is_asked_every_fifteen_seconds_until_somebody_does()
    {
        Start();
        for (var asked = 1; asked <= 3; asked++)
        {
            Assert.That(await _time.NextWaitAsync(), Is.EqualTo(SourceWatch.Interval));
            Assert.That(_watch.Current.Points, Has.Count.EqualTo(asked));
            _time.Advance(SourceWatch.Interval);
            Assert.That(await _time.NextWaitAsync(), Is.EqualTo(RestOfIdle));
            if (asked < 3)
                _time.Advance(RestOfIdle);
        }

        await _watch.LookAsync();

        Assert.That(await _time.NextWaitAsync(), Is.EqualTo(SourceWatch.Interval));
        Assert.That(_watch.Current.Points, Has.Count.EqualTo(4), "whoever comes sees how it is now");
    }

    [Test]
    public async Task A_source_that_is_away_says_why_and_since_when_and_is_seen_again_when_it_is_back()
    {
        _ = _dataSource.GoAway();
        var began = _time.GetUtcNow().UtcDateTime;
        Start();
        for (var asked = 1; asked <= 3; asked++)
        {
            await _time.NextWaitAsync();
            await _watch.LookAsync();
            var problem = Problems.Of(_watch.Current).Single();
            Assert.That((problem.What, problem.Why, problem.Since), Is.EqualTo(("The database does not answer", (string?)"The database is away", (DateTime?)began)));
            _time.Advance(SourceWatch.Interval);
        }

        _dataSource.ComeBack();
        await _time.NextWaitAsync();
        await _watch.LookAsync();
        _time.Advance(SourceWatch.Interval);
        await _time.NextWaitAsync();

        Assert.That((_watch.Current.Trouble, _watch.Current.Survey?.Backlog), Is.EqualTo(((string?)null, (long?)0)));
    }

    [Test]
    public async Task What_is_written_and_what_leaves_is_told_by_the_numbers_of_the_outbox()
    {
        Start();
        await _time.NextWaitAsync();
        await _watch.LookAsync();
        for (var i = 0; i < 30; i++)
            await _database.InsertAsync();
        await _database.ExecuteAsync("DELETE FROM outbox_messages WHERE sequence <= 20");
        _time.Advance(SourceWatch.Interval);
        await _time.NextWaitAsync();

        Assert.That((_watch.Current.In, _watch.Current.Out), Is.EqualTo(((double?)15, (double?)10)), "30 and 20 in two seconds");
    }

    [Test]
    public void What_has_left_between_two_estimates_is_not_known()
    {
        var from = new SnapshotPoint(DateTimeOffset.UnixEpoch, 0, 50_000, IsEstimate: true);

        Assert.That(SourceSnapshot.Between(from, new SnapshotPoint(from.At.AddSeconds(2), 400, 50_400, IsEstimate: true)), Is.EqualTo(((double, double?)?)(200, null)), "the estimate grows by what is written, whatever leaves");
        Assert.That(SourceSnapshot.Between(from, new SnapshotPoint(from.At.AddSeconds(2), 400, 10_000)), Is.EqualTo(((double, double?)?)(200, null)));
    }

    [Test]
    public async Task A_source_that_takes_long_to_fail_is_asked_again_within_the_idle_interval()
    {
        _ = _dataSource.GoAway(() => _time.Advance(TimeSpan.FromSeconds(4)));
        Start();
        Assert.That(await _time.NextWaitAsync(), Is.EqualTo(SourceWatch.IdleInterval), "not after 80 s");
    }

    private void Start() => _running = _watch.RunAsync(_stop.Token);

    /// <summary>A clock that tells when somebody begins to wait by it.</summary>
    private sealed class Clock : FakeTimeProvider
    {
        private readonly Channel<TimeSpan> _waits = Channel.CreateUnbounded<TimeSpan>();

        public Task<TimeSpan> NextWaitAsync() => _waits.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _waits.Writer.TryWrite(dueTime);
            return timer;
        }
    }
}

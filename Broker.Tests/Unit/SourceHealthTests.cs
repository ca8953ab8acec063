using Broker.Relay;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Unit;

/// <summary>What a source's health says of what its relay has left behind. <see cref="EndToEnd.RelayHealthTests"/> lets real relays leave it.</summary>
internal sealed class SourceHealthTests
{
    private readonly FakeTimeProvider _time = new();
    private StandingTransport _transport = null!;
    private RelaySource _source = null!;

    [SetUp]
    public void Prepare()
    {
        _transport = new StandingTransport();
        _source = new RelaySource { Name = "orders", Dialect = SqlDialect.Sqlite, DataSource = SqliteFactory.Instance.CreateDataSource("Data Source=:memory:"), Transport = _transport };
    }

    [TearDown]
    public ValueTask Close() => _transport.DisposeAsync();

    [Test]
    public void A_relay_that_has_not_begun_is_starting() => Expect("starting", HealthStatus.Degraded, "does not run yet");

    [Test]
    public void A_relay_without_an_answer_of_its_database_is_starting()
    {
        using var running = _source.State.Run(_time);
        Expect("starting", HealthStatus.Degraded, "has not answered yet");
    }

    [Test]
    public void A_relay_that_waits_for_the_leases_of_a_dead_one_is_starting()
    {
        using var running = _source.State.Run(_time);
        Beat(held: 0);
        Expect("starting", HealthStatus.Degraded, "leases");
    }

    [Test]
    public void A_loop_that_does_not_turn_is_hung_and_nothing_else_is_unhealthy()
    {
        using var running = _source.State.Run(_time);
        Beat();
        Look(rows: 0, lag: TimeSpan.Zero);
        _time.Advance(TimeSpan.FromSeconds(60));
        Expect("idle", HealthStatus.Healthy, "nothing to publish");
        _time.Advance(TimeSpan.FromSeconds(11));
        Expect("hung", HealthStatus.Unhealthy, "has not turned for 71 s");
        Assert.That(new SourceHealth(_source).IsHung, Is.True);
    }

    [Test]
    public void A_database_that_fails_is_away_until_it_answers()
    {
        using var running = _source.State.Run(_time);
        Beat();
        _source.State.Fail("connection refused");
        _time.Advance(TimeSpan.FromSeconds(20));
        _source.State.Fail("connection refused again");
        Expect("database away", HealthStatus.Degraded, "since 20 s");
        Expect("database away", HealthStatus.Degraded, "connection refused again");
        Beat();
        Expect("idle", HealthStatus.Healthy, "");
    }

    [Test]
    public void A_relay_without_partitions_beside_others_stands_by_whatever_the_broker_does()
    {
        using var running = _source.State.Run(_time);
        Beat(held: 0, others: 2);
        _transport.Publishing = new TransportStanding(TransportCondition.Away, "refused");
        Expect("stand-by", HealthStatus.Healthy, "takes over");
    }

    [TestCase("Away", "broker away")]
    [TestCase("Blocked", "broker blocked")]
    public void A_broker_that_takes_nothing_is_named_with_its_reason(string condition, string state)
    {
        using var running = _source.State.Run(_time);
        Beat();
        _transport.Publishing = new TransportStanding(Enum.Parse<TransportCondition>(condition), "low on disk");
        Expect(state, HealthStatus.Degraded, "low on disk");
    }

    [Test]
    public void Rows_that_wait_while_nothing_is_published_are_stuck_and_those_that_flow_are_behind()
    {
        using var running = _source.State.Run(_time);
        Beat();
        Look(rows: 5_000, lag: TimeSpan.FromMinutes(10));
        Expect("behind", HealthStatus.Healthy, "5,000 rows wait, the oldest for 10 min");
        _time.Advance(TimeSpan.FromSeconds(61));
        Turn();
        Expect("stuck", HealthStatus.Degraded, "nothing was published for 61 s: the relay's log says more");
        _source.State.Published();
        Expect("behind", HealthStatus.Healthy, "they flow");
    }

    [TestCase("type", "messages of type 'a.v1' cannot be published: no queue is bound")]
    [TestCase("dead-letter", "a key waits behind a dead letter of type 'a.v1': no queue is bound")]
    [TestCase("retrying", "a row of type 'a.v1' is tried again: no queue is bound")]
    public void What_is_stuck_says_what_it_waits_for(string state, string says)
    {
        using var running = _source.State.Run(_time);
        Beat(blocked: new BlockedKey(state, "k", "a.v1", "no queue is bound", DateTime.UnixEpoch, 3));
        Look(rows: 3, lag: TimeSpan.FromMinutes(2));
        _time.Advance(TimeSpan.FromSeconds(61));
        Turn();
        Expect("stuck", HealthStatus.Degraded, says);
    }

    [Test]
    public void A_blocked_key_beside_others_that_flow_is_blocked_and_one_that_is_tried_again_is_not()
    {
        using var running = _source.State.Run(_time);
        _source.State.Published();
        Beat(blocked: new BlockedKey("dead-letter", "k", "a.v1", "too large", DateTime.UnixEpoch, 3));
        Expect("blocked", HealthStatus.Degraded, "Other rows flow, but a key waits");
        Assert.That(new SourceHealth(_source).Report().Reason, Does.Not.Contain("'k'"), "a key may name a person");
        Beat(blocked: new BlockedKey("retrying", "k", "a.v1", "too large", _time.GetUtcNow().UtcDateTime, 3));
        Expect("flowing", HealthStatus.Healthy, "");
        _time.Advance(TimeSpan.FromSeconds(10));
        Turn();
        Expect("idle", HealthStatus.Healthy, "");
        _time.Advance(TimeSpan.FromSeconds(51));
        Turn();
        Expect("blocked", HealthStatus.Degraded, "a row of type 'a.v1' is tried again");
    }

    [Test]
    public void A_partition_that_is_not_drained_is_told_however_often_the_database_answers_the_beat()
    {
        using var running = _source.State.Run(_time);
        Beat(held: 2, partitions: 2);
        Trouble(partition: 1, "no right to delete");
        _time.Advance(TimeSpan.FromSeconds(20));
        Beat(held: 1, partitions: 2);
        Trouble(partition: 1, "no right to delete");
        Trouble(partition: 0, "deadlock");
        Beat(held: 0, partitions: 2);
        Expect("database away", HealthStatus.Degraded, "since 20 s, and tries on. Partition 1 is not drained: no right to delete");
        _source.State.Drains(1);
        Expect("database away", HealthStatus.Degraded, "Partition 0 is not drained: deadlock");
        _source.State.DrainedByOthers([0]);
        Beat();
        Expect("idle", HealthStatus.Healthy, "");
    }

    [Test]
    public void A_partition_that_is_no_more_is_not_told_as_failing()
    {
        using var running = _source.State.Run(_time);
        Beat(partitions: 4);
        Trouble(partition: 3, "no right to delete");
        Beat(partitions: 4);
        Expect("database away", HealthStatus.Degraded, "Partition 3");
        Beat(partitions: 3);
        Expect("idle", HealthStatus.Healthy, "");
    }

    [Test]
    public void A_relay_that_has_lost_its_partitions_waits_and_does_not_start_again()
    {
        using var running = _source.State.Run(_time);
        Assert.That(_source.State.WasReached, Is.False);
        Beat(held: 2);
        Beat(held: 0);
        Expect("waiting", HealthStatus.Degraded, "no partition now");
        Assert.That(_source.State.WasReached, Is.True);
    }

    [Test]
    public void A_relay_that_does_not_look_itself_says_nothing_of_what_waits()
    {
        using var running = _source.State.Run(_time);
        Beat(others: 1);
        Expect("idle", HealthStatus.Healthy, "the relay that holds the first partition knows what waits");
    }

    [Test]
    public void Rows_that_others_may_be_draining_are_behind_and_not_stuck_unless_something_waits_here()
    {
        using var running = _source.State.Run(_time);
        Look(rows: 3, lag: TimeSpan.FromMinutes(2));
        _time.Advance(TimeSpan.FromSeconds(61));
        Beat(others: 1);
        Expect("behind", HealthStatus.Healthy, "whether they flow, the other relays know");
        Beat(others: 1, blocked: new BlockedKey("type", null, "a.v1", "no queue is bound", DateTime.UnixEpoch, 3));
        Expect("stuck", HealthStatus.Degraded, "no queue is bound");
    }

    private void Trouble(int partition, string reason) => SourceTrouble.Report(NullLogger.Instance, _source, partition, new OutboxConfigurationException(reason), TimeSpan.Zero);

    private void Beat(int held = 1, int others = 0, BlockedKey? blocked = null, int partitions = 1)
    {
        Turn();
        _source.State.Answered(new RelayBeat(new HashSet<(string, long)>(), [], [.. Enumerable.Repeat("other", others)], [], partitions, null), held, blocked is null ? [] : [blocked]);
    }

    private void Turn() => _source.State.Turned();

    private void Look(long rows, TimeSpan lag) => _source.State.Look(new OutboxReading(rows, lag, 0, 0, 0, 0));

    private void Expect(string state, HealthStatus status, string reason)
    {
        var finding = new SourceHealth(_source).Report();
        Assert.That((finding.Part, finding.State, finding.Status), Is.EqualTo(("source/orders", state, status)), finding.Reason);
        Assert.That(finding.Reason, Does.Contain(reason));
    }

    private sealed class StandingTransport : ITransport, ITransportState
    {
        public TransportStanding Publishing { get; set; } = TransportStanding.Connected;

        public string System => "tests";

        public TransportStanding Consuming => TransportStanding.Unused;

        public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

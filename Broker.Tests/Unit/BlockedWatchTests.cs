using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Unit;

/// <summary>The picture of what does not flow in a partition.</summary>
internal sealed class BlockedWatchTests
{
    private readonly FakeTimeProvider _time = new();
    private RowQueues _rows = null!;
    private RelaySource _source = null!;
    private BlockedWatch _watch = null!;

    [SetUp]
    public void Prepare()
    {
        _source = new RelaySource { Name = TestServers.NewName("source"), Dialect = SqlDialect.Sqlite, DataSource = SqliteFactory.Instance.CreateDataSource("Data Source=:memory:"), Transport = new InMemoryTransport() };
        _rows = new RowQueues(new RelayOptions { MaxAttempts = 2, RetryDelay = TimeSpan.FromSeconds(1) }, _time);
        _watch = new BlockedWatch(_source, _rows, _time);
    }

    [Test]
    public void Of_many_keys_those_that_most_rows_wait_for_are_shown_and_all_are_counted()
    {
        Block(keys: 300);
        _watch.Draw();

        Assert.That(_watch.Seen.Select(b => (b.Key, b.Waiting)), Is.EqualTo(Enumerable.Range(0, BlockedWatch.Most).Select(i => ($"key-{299 - i}", 299L - i))));
        Assert.That(_watch.Seen, Has.All.Property("State").EqualTo("dead-letter"));
        Assert.That(Counted(), Is.EqualTo((0.0, 300.0, 0.0)));
    }

    [Test]
    public void What_is_tried_again_is_shown_beside_what_waits_for_an_operator_and_nothing_of_either_is_lost()
    {
        Block(keys: 2);
        foreach (var sequence in new[] { 1_001L, 1_002L })
            _rows.Add(Row(sequence, "retried"));
        Assert.That(_rows.TryTake(out var row));
        _rows.Fail(row!, "unreadable");
        _watch.Draw();

        Assert.That(_watch.Seen.Select(b => (b.State, b.Key, b.Waiting, b.Reason)), Is.EqualTo(new[] { ("retrying", "retried", 2L, "unreadable"), ("dead-letter", "key-1", 1L, "broken"), ("dead-letter", "key-0", 0L, "broken") }));
        Assert.That(Counted(), Is.EqualTo((1.0, 2.0, 0.0)));
    }

    [Test]
    public void A_picture_of_a_hundred_thousand_keys_costs_as_little_memory_as_one_of_twenty()
    {
        Block(keys: 100_000, waiting: false);
        // The first one compiles.
        _watch.Draw();
        _time.Advance(TimeSpan.FromMinutes(1));
        var before = GC.GetAllocatedBytesForCurrentThread();
        _watch.Draw();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(64 * 1024));
        Assert.That(_watch.Seen, Has.Count.EqualTo(BlockedWatch.Most));
        Assert.That(Counted(), Is.EqualTo((0.0, 100_000.0, 0.0)));
    }

    [Test]
    public void It_is_drawn_once_a_second_at_most_and_wiped_off_when_the_drain_ends()
    {
        Block(keys: 1);
        _watch.Draw();
        _rows.Keys.Block("late", letter: 2, "tests.something.v1", "broken", _time.GetTimestamp());
        _watch.Draw();
        Assert.That(_watch.Seen, Has.Count.EqualTo(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        _watch.Draw();
        Assert.That(_watch.Seen, Has.Count.EqualTo(2));

        _watch.End();
        Assert.That(_watch.Seen, Is.Empty);
        Assert.That(Counted(), Is.EqualTo((0.0, 0.0, 0.0)));
    }

    private void Block(int keys, bool waiting = true)
    {
        for (var i = 0; i < keys; i++)
        {
            var entry = _rows.Keys.Block($"key-{i}", letter: i, "tests.something.v1", "broken", _time.GetTimestamp());
            for (var row = 0; waiting && row < i; row++)
                entry.Wait((1_000 * i) + row);
        }
    }

    /// <summary>What the source's metrics say: keys that are tried again, that wait for an operator, and types.</summary>
    private (double Retrying, double DeadLetters, double Types) Counted()
    {
        using var running = _source.State.Run(_time);
        using var metrics = new MetricRecorder(_source.Name);
        return (Gauge("blocked_keys", ("state", "retrying")), Gauge("blocked_keys", ("state", "dead-letter")), Gauge("blocked_types"));

        double Gauge(string name, params (string, object)[] tags) => metrics.Gauge($"outbox.relay.{name}", tags) ?? double.NaN;
    }

    private static OutboxRow Row(long sequence, string key) => new() { Sequence = sequence, Type = "tests.something.v1", Key = key, Envelope = new Envelope { MessageId = Guid.CreateVersion7(), Type = "tests.something.v1", PartitionKey = key, Body = new byte[1] } };
}

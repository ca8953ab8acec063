using Broker.Relay;
using Microsoft.Extensions.Time.Testing;
using Outbox.Messages;

namespace Broker.Tests.Unit;

/// <summary>Which rows may be published now: one of each key, and none behind trouble of its own.</summary>
internal sealed partial class RowQueuesTests
{
    private FakeTimeProvider _time = null!;
    private RelayOptions _options = null!;
    private RowQueues _rows = null!;

    [SetUp]
    public void Prepare()
    {
        _time = new FakeTimeProvider();
        _options = new RelayOptions { RetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(4) };
        _rows = new RowQueues(_options, _time);
    }

    [Test]
    public void Rows_without_a_key_are_all_ready_in_the_order_of_their_sequences()
    {
        Add(Row(3), Row(1), Row(2));

        Assert.That(TakeAll(), Is.EqualTo(new[] { 1, 2, 3 }));
    }

    [Test]
    public void Of_a_key_only_the_first_row_is_ready_until_it_is_confirmed()
    {
        var rows = Add(Row(1, "a"), Row(2, "a"), Row(3, "b"), Row(4, "a"));

        Assert.That(TakeAll(), Is.EqualTo(new[] { 1, 3 }));
        _rows.Confirmed(rows[0]);
        Assert.That(TakeAll(), Is.EqualTo(new[] { 2 }));
        _rows.Confirmed(rows[1]);
        Assert.That(TakeAll(), Is.EqualTo(new[] { 4 }));
    }

    [Test]
    public void A_row_of_unknown_fate_goes_first_again_and_its_key_waits()
    {
        var rows = Add(Row(1, "a"), Row(2, "a"), Row(3));
        Assert.That(TakeAll(), Is.EqualTo(new[] { 1, 3 }));

        _rows.Again(rows[2]);
        _rows.Again(rows[0]);

        Assert.That(TakeAll(), Is.EqualTo(new[] { 1, 3 }));
    }

    [Test]
    public void A_row_is_taken_over_once_until_it_is_forgotten()
    {
        var row = Add(Row(1))[0];
        Add(Row(1));
        Assert.That(TakeAll(), Is.EqualTo(new[] { 1 }));
        _rows.Confirmed(row);
        Add(Row(1));
        Assert.That((TakeAll(), _rows.Knows(1), _rows.Count), Is.EqualTo((Array.Empty<long>(), true, 1)).Using<(long[], bool, int)>((a, b) => a.Item1.SequenceEqual(b.Item1) && a.Item2 == b.Item2 && a.Item3 == b.Item3));

        _rows.Forget(1);
        Assert.That((_rows.Knows(1), _rows.Count), Is.EqualTo((false, 0)));
    }

    [Test]
    public void A_row_that_failed_waits_with_its_key_while_others_flow_and_is_fetched_again_first()
    {
        var rows = Add(Row(1, "a"), Row(2, "a"), Row(3, "b"));
        TakeAll();
        var delay = _rows.Fail(rows[0], "unreadable")!.Value;
        _rows.Confirmed(rows[2]);
        Assert.That(delay, Is.EqualTo(TimeSpan.FromSeconds(1)).Within(TimeSpan.FromSeconds(0.21)));
        Assert.That(_rows.Wake(), Is.EqualTo(delay).Within(TimeSpan.FromMilliseconds(1)));
        Assert.That((_rows.HasReady, _rows.HasToFetch), Is.EqualTo((false, false)));

        _time.Advance(delay);
        _rows.Wake();

        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 1 }), "its body was not kept meanwhile");
        _rows.Fetched(rows[0], Row(1, "a"));
        Assert.That(TakeAll(), Is.EqualTo(new[] { 1 }));
        _rows.Confirmed(rows[0]);
        Assert.That(TakeAll(), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public void The_waits_of_a_row_that_goes_on_failing_grow()
    {
        var row = Add(Row(1))[0];

        var delays = Enumerable.Range(0, 5).Select(_ => _rows.Fail(row, "unreadable")!.Value.TotalSeconds).ToList();

        foreach (var (actual, expected) in delays.Zip([1.0, 2.0, 4.0, 4.0, 4.0]))
            Assert.That(actual, Is.InRange(expected * 0.8, expected * 1.2));
    }

    [Test]
    public void A_row_of_later_does_not_hold_up_later_rows_of_its_key()
    {
        Add(Row(1, "a", dueIn: TimeSpan.FromMinutes(1)), Row(2, "a"));
        Assert.That(TakeAll(), Is.EqualTo(new[] { 2 }));

        Assert.That(_rows.Wake(), Is.EqualTo(TimeSpan.FromMinutes(1)));
        _time.Advance(TimeSpan.FromMinutes(1));
        _rows.Wake();

        Assert.That(_rows.HasToFetch, Is.False, "it joins its key behind the row that is on its way");
    }

    [Test]
    public void Rows_of_a_type_that_cannot_be_published_wait_behind_one_probe_while_other_types_flow()
    {
        var rows = Add(Row(1, type: "bad"), Row(2, type: "bad"), Row(3, type: "good"), Row(4, "a", "bad"), Row(5, "a", "good"));
        Assert.That(_rows.TryTake(out var first) && first == rows[0]);

        Assert.That(_rows.Block(rows[0], "unroutable", isUnroutable: true), "the first failure is news");

        Assert.That(TakeAll(), Is.EqualTo(new[] { 3 }), "5 waits behind 4 of its key");
        Assert.That((_rows.Blocked("bad")!.Reason, _rows.Blocked("bad")!.Rows.Count, _rows.Blocked("good")), Is.EqualTo(("unroutable", 3, (BlockedType?)null)));
        _time.Advance(TimeSpan.FromSeconds(1.2));
        _rows.Wake();
        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 1 }), "one tries");
        _rows.Fetched(rows[0], Row(1, type: "bad"));
        Assert.That(TakeAll(), Is.EqualTo(new[] { 1 }));

        _rows.Confirmed(rows[0]);

        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 2, 4 }), "now all go");
        Assert.That(_rows.Blocked("bad"), Is.Null);
    }

    [Test]
    public void Rows_that_were_on_their_way_when_their_type_was_blocked_are_no_news()
    {
        var rows = Add(Row(1), Row(2));
        TakeAll();

        Assert.That((_rows.Block(rows[0], "x", isUnroutable: true), _rows.Block(rows[1], "x", isUnroutable: true)), Is.EqualTo((true, false)));
        Assert.That(_rows.Blocked("t")!.Failures, Is.EqualTo(1));
    }

    [Test]
    public void A_probe_that_fails_again_is_news_and_waits_longer()
    {
        var row = Add(Row(1))[0];
        TakeAll();
        _rows.Block(row, "x", isUnroutable: true);
        _time.Advance(TimeSpan.FromSeconds(1.2));
        _rows.Wake();
        _rows.TakeToFetch();
        _rows.Fetched(row, Row(1));
        TakeAll();

        Assert.That(_rows.Block(row, "x", isUnroutable: true));

        Assert.That(_rows.Wake()!.Value.TotalSeconds, Is.InRange(1.6, 2.4));
    }

    [Test]
    public void A_probe_of_unknown_fate_lets_another_try_at_once()
    {
        var row = Add(Row(1))[0];
        TakeAll();
        _rows.Block(row, "x", isUnroutable: true);
        _time.Advance(TimeSpan.FromSeconds(1.2));
        _rows.Wake();
        _rows.TakeToFetch();
        _rows.Fetched(row, Row(1));
        TakeAll();

        _rows.Again(row);
        _rows.Wake();

        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public void A_probe_that_is_gone_from_the_outbox_lets_the_next_one_try()
    {
        var rows = Add(Row(1), Row(2));
        TakeAll();
        _rows.Block(rows[0], "x", isUnroutable: true);
        _rows.Block(rows[1], "x", isUnroutable: true);
        _time.Advance(TimeSpan.FromSeconds(1.2));
        _rows.Wake();
        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 1 }));

        _rows.Leave(rows[0]);
        _rows.Wake();

        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public void A_row_that_is_not_published_at_all_lets_its_key_go_on()
    {
        var rows = Add(Row(1, "a"), Row(2, "a"));
        TakeAll();

        _rows.Leave(rows[0]);

        Assert.That(TakeAll(), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public void Reading_stops_when_enough_bodies_are_held_and_goes_on_when_some_are_gone()
    {
        _options.ReadAhead = 3;
        var rows = Add(Row(1), Row(2), Row(3));
        Assert.That(_rows.Room, Is.Zero);

        _rows.TryTake(out _);
        _rows.Confirmed(rows[0]);

        Assert.That(_rows.Room, Is.EqualTo(1));
    }

    [Test]
    public void Reading_stops_when_enough_bytes_are_held()
    {
        Add(Row(1, size: 65 * 1024 * 1024));

        Assert.That(_rows.Room, Is.Zero);
    }

    [Test]
    public void Rows_that_cannot_be_published_leave_room_for_others_up_to_a_limit()
    {
        _options.ReadAhead = 10;
        _options.MaxWaitingRows = 20;
        for (var i = 1; i <= 15; i++)
        {
            var row = Add(Row(i))[0];
            TakeAll();
            _rows.Block(row, "x", isUnroutable: true);
        }
        Assert.That(_rows.Room, Is.EqualTo(5), "they hold no bodies, but they are remembered");

        Add([.. Enumerable.Range(16, 5).Select(i => Row(i, type: "other"))]);
        Assert.That(_rows.Room, Is.Zero);
    }

    [Test]
    public void A_hot_key_keeps_few_bodies_and_fetches_the_rest_in_order()
    {
        _options.ReadAhead = 1_000;
        var rows = Add([.. Enumerable.Range(1, 100).Select(i => Row(i, "hot"))]);
        Assert.That(rows.Count(r => r.Envelope is not null), Is.EqualTo(17), "the first and 16 behind it");
        Assert.That(_rows.Room, Is.EqualTo(1_000 - 17));

        var published = new List<long>();
        while (published.Count < 100)
        {
            foreach (var row in _rows.TakeToFetch())
            {
                foreach (var behind in _rows.BareBehind("hot").ToList())
                    _rows.Attach(behind, Row(behind.Sequence, "hot"));
                _rows.Fetched(row, Row(row.Sequence, "hot"));
            }
            Assert.That(_rows.TryTake(out var next));
            Assert.That(next!.Envelope, Is.Not.Null);
            published.Add(next.Sequence);
            _rows.Confirmed(next);
        }

        Assert.That(published, Is.EqualTo(Enumerable.Range(1, 100)));
        Assert.That(_rows.Room, Is.EqualTo(1_000), "every body is accounted for");
    }

    private static OutboxRow Row(long sequence, string? key = null, string type = "t", TimeSpan dueIn = default, int size = 10) => new()
    {
        Sequence = sequence,
        Type = type,
        Key = key,
        DueIn = dueIn,
        Envelope = new Envelope { MessageId = Guid.CreateVersion7(), Type = type, PartitionKey = key, Body = new byte[size] },
    };

    private OutboxRow[] Add(params OutboxRow[] rows)
    {
        foreach (var row in rows)
            _rows.Add(row);
        return rows;
    }

    private long[] TakeAll()
    {
        var taken = new List<long>();
        while (_rows.TryTake(out var row))
            taken.Add(row.Sequence);
        return [.. taken];
    }
}

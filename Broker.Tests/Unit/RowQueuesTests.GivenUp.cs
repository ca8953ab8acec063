namespace Broker.Tests.Unit;

/// <summary>When a row is given up, and what its key does then.</summary>
internal sealed partial class RowQueuesTests
{
    [Test]
    public void A_row_is_given_up_after_its_attempts_and_its_key_waits_until_it_is_released()
    {
        _options.MaxAttempts = 2;
        var rows = Add(Row(1, "a"), Row(2, "a"), Row(3, "b"));
        TakeAll();
        Assert.That(_rows.Fail(rows[0], "unreadable"), Is.Not.Null);
        Assert.That(_rows.Fail(rows[0], "unreadable"), Is.Null);

        var dead = _rows.TakeDead(10).Single();
        Assert.That((dead.Row.Sequence, dead.Reason, dead.Attempts, dead.Blocks), Is.EqualTo((1L, "unreadable", 2, true)));
        _rows.Buried(dead);
        _rows.Forget(1);
        Add(Row(4, "a"));
        Assert.That((_rows.HasReady, _rows.HasToFetch), Is.EqualTo((false, false)));
        Assert.That(_rows.Keys.All.Single().Waiting, Is.EqualTo(new[] { 2L, 4L }));

        _rows.Release(_rows.Keys.All.Single());

        Assert.That(_rows.TakeToFetch().Select(r => r.Sequence), Is.EqualTo(new[] { 1L }), "what was put back goes first");
    }

    [Test]
    public void A_key_that_is_released_gives_its_rows_in_their_order_and_new_ones_join_its_end()
    {
        const int many = 1_200;
        _options.MaxAttempts = 1;
        var first = Add(Row(1, "a"))[0];
        TakeAll();
        _rows.Fail(first, "unreadable");
        _rows.Buried(_rows.TakeDead(1).Single());
        _rows.Forget(1);
        Add([.. Enumerable.Range(2, many).Select(i => Row(i, "a"))]);
        Assert.That(_rows.Room, Is.EqualTo(_options.ReadAhead), "they take no room from others");

        _rows.Release(_rows.Keys.All.Single());
        Add(Row(many + 2, "a"));
        var published = new List<long>();
        while (_rows.TakeToFetch() is { Count: > 0 } wanted)
        {
            var row = wanted.Single();
            if (row.Sequence == 1)
            {
                // Discarded, so it is not there.
                _rows.Leave(row);
                _rows.Forget(1);
                continue;
            }
            _rows.Fetched(row, Row(row.Sequence, "a"));
            Assert.That(_rows.TryTake(out var next));
            published.Add(next!.Sequence);
            _rows.Confirmed(next);
            _rows.Forget(next.Sequence);
        }

        Assert.That(published, Is.EqualTo(Enumerable.Range(2, many + 1)));
        Assert.That((_rows.Keys.Any, _rows.Count, _rows.Room), Is.EqualTo((false, 0, _options.ReadAhead)));
    }

    [Test]
    public void Rows_of_an_unroutable_type_are_given_up_when_they_themselves_have_waited_long_enough()
    {
        _options.UnroutableTimeout = TimeSpan.FromSeconds(10);
        // Tried about every second, so that the time between two tries does not blur who has waited for how long.
        _options.MaxRetryDelay = TimeSpan.FromSeconds(1);
        var probe = Add(Row(1))[0];
        TakeAll();
        _rows.Block(probe, "unroutable", isUnroutable: true);
        var later = false;
        for (var seconds = 0; seconds < 60 && !_rows.HasDead; seconds++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            if (seconds == 5 && !later)
                later = Add(Row(2)).Length == 1 && TakeAll().Length == 0;
            _rows.Wake();
            foreach (var row in _rows.TakeToFetch())
            {
                _rows.Fetched(row, Row(row.Sequence));
                Assert.That(_rows.TryTake(out var sent));
                _rows.Block(sent!, "unroutable", isUnroutable: true);
            }
        }

        Assert.That(_rows.TakeDead(10).Select(d => d.Row.Sequence), Is.EqualTo(new[] { 1L }), "the second one has not waited so long");
    }

    [Test]
    public void The_time_of_an_outage_brings_no_unroutable_row_nearer_to_the_dead_letters()
    {
        _options.UnroutableTimeout = TimeSpan.FromMinutes(10);
        var row = Add(Row(1))[0];
        TakeAll();
        _rows.Block(row, "unroutable", isUnroutable: true);
        for (var i = 0; i < 20; i++)
        {
            // Hours pass without an answer; a nack comes now and then.
            _time.Advance(TimeSpan.FromHours(1));
            _rows.Wake();
            _rows.Fetched(_rows.TakeToFetch().Single(), Row(1));
            TakeAll();
            _rows.Block(row, i % 2 == 0 ? "unroutable" : "nack", isUnroutable: i % 2 == 0);
        }

        Assert.That(_rows.HasDead, Is.False);
    }
}

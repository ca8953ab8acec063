using Broker.Relay;
using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>Finding every committed row once, also those that commit below rows that were read before.</summary>
internal sealed class OutboxReaderTests
{
    private static readonly TimeSpan FloorInterval = TimeSpan.FromMilliseconds(200);

    private MemoryStore _store = null!;
    private FakeTimeProvider _time = null!;
    private OutboxReader _reader = null!;

    [SetUp]
    public void Prepare() => Prepare(LateRows.UntilWritersEnd);

    [TearDown]
    public ValueTask Close() => _store.DisposeAsync();

    [Test]
    public async Task The_first_look_reads_from_the_beginning()
    {
        _store.Commit(1, 2, 5);

        Assert.That(await LookAsync(), Is.EqualTo(new[] { 1, 2, 5 }));
        Assert.That((_reader.Cursor, _reader.MayBeLate), Is.EqualTo((5, true)));
        Assert.That(_reader.Floor, Is.LessThan(3), "3 and 4 may still come");
    }

    [Test]
    public async Task A_row_that_commits_below_the_cursor_is_found_by_the_next_look([Values] bool nothingKnown)
    {
        _store.Commit(1, 3);
        await LookAsync();
        _store.Settle(1, 3);
        _store.Commit(2);

        Assert.That(await LookAsync(nothingKnown), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task A_late_row_is_listed_after_the_read_so_that_a_later_row_of_its_key_cannot_pass_it()
    {
        _store.Commit(1, 3);
        await LookAsync();
        // Committed between the two statements of a look: 2, and then 4 of the same key.
        _store.BeforeList = () => _store.Commit(2, 4);

        Assert.That(await LookAsync(nothingKnown: false), Does.Contain(2).And.Not.Contain(4));
        Assert.That(await LookAsync(nothingKnown: false), Does.Contain(4));
    }

    [Test]
    public async Task Where_commits_come_in_order_the_floor_is_the_cursor_and_nothing_is_listed()
    {
        Prepare(LateRows.Never);
        _store.Commit(1, 2);
        await LookAsync();
        _store.Commit(3);
        _store.Lists = 0;

        Assert.That(await LookAsync(nothingKnown: false), Is.EqualTo(new[] { 3 }));
        Assert.That((_reader.Floor, _reader.MayBeLate, _store.Lists), Is.EqualTo((3, false, 0)));
    }

    [Test]
    public async Task The_floor_rises_to_the_last_number_once_every_writer_of_then_has_ended()
    {
        _store.Commit(1, 3);
        _store.Last = 3;
        _store.Writers = ["a", "b"];
        await LookAsync();

        await LookLaterAsync();
        Assert.That((_reader.Floor < 2, _reader.MayBeLate), Is.EqualTo((true, true)), "a and b may hold 2");
        _store.Writers = ["b", "new"];
        await LookLaterAsync();
        Assert.That((_reader.Floor < 2, _reader.MayBeLate), Is.EqualTo((true, true)), "b may hold 2");
        _store.Writers = ["new"];
        await LookLaterAsync();

        Assert.That((_reader.Floor, _reader.MayBeLate), Is.EqualTo((3, false)), "who came later can only hold higher numbers");
    }

    [Test]
    public async Task The_floor_does_not_pass_what_was_read()
    {
        _store.Commit(1, 2, 3, 4);
        _store.Last = 10;
        await LookAsync(limit: 2);
        await LookLaterAsync(nothingKnown: false, limit: 1);

        Assert.That((_reader.Cursor, _reader.Floor), Is.EqualTo((3, 3)));
        Assert.That(await LookAsync(nothingKnown: false), Is.EqualTo(new[] { 4 }));
    }

    [Test]
    public async Task A_read_from_the_floor_that_stops_at_its_limit_does_not_lift_the_floor_over_what_it_left()
    {
        _store.Commit(5, 6, 7);
        _store.Last = 7;
        _store.Writers = ["late"];
        await LookAsync();
        await LookLaterAsync();
        _store.Settle(5, 6, 7);
        // The late writer commits several rows below the cursor, and ends.
        _store.Commit(1, 2, 3);
        _store.Writers = [];

        Assert.That(await LookLaterAsync(nothingKnown: true, limit: 2), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(_reader.Floor, Is.EqualTo(2));
        _store.Settle(1, 2);
        Assert.That(await LookAsync(), Is.EqualTo(new[] { 3 }));
    }

    [Test]
    public async Task Below_the_floor_nothing_is_read_again()
    {
        _store.Commit(1, 2);
        _store.Last = 2;
        await LookAsync();
        await LookLaterAsync();
        Assert.That(_reader.Floor, Is.EqualTo(2));

        Assert.That(await LookAsync(), Is.Empty);
        Assert.That(_store.LastAfter, Is.EqualTo(2), "the read begins at the floor");
    }

    [Test]
    public async Task A_full_scan_now_and_then_finds_rows_where_none_could_be()
    {
        _store.Commit(10, 11);
        _store.Last = 11;
        await LookAsync();
        await LookLaterAsync();
        _store.Settle(10, 11);
        // A backup was restored: the numbers start again.
        _store.Commit(1, 2);
        Assert.That(await LookAsync(), Is.Empty);

        _time.Advance(TimeSpan.FromSeconds(60));

        Assert.That(await LookAsync(), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(_reader.Floor, Is.Zero, "what was derived from the old numbers is forgotten");
        _store.Settle(1, 2);
        _store.Commit(3);
        Assert.That(await LookAsync(), Is.EqualTo(new[] { 3 }));
    }

    [Test]
    public async Task The_floor_is_looked_for_only_now_and_then_and_only_while_something_may_be_late()
    {
        _store.Commit(2);
        _store.Last = 2;
        await LookAsync();
        _store.FloorLooks = 0;
        for (var i = 0; i < 10; i++)
            await LookAsync();
        Assert.That(_store.FloorLooks, Is.EqualTo(1));
        Assert.That(_reader.MayBeLate, Is.False);

        for (var i = 0; i < 10; i++)
            await LookLaterAsync();
        Assert.That(_store.FloorLooks, Is.EqualTo(1), "an idle outbox costs nothing more");
    }

    [Test]
    public async Task A_writer_that_idles_in_its_transaction_holds_up_only_the_numbers_of_its_time()
    {
        _store.Commit(1, 3);
        _store.Last = 3;
        _store.Writers = ["idler"];
        _store.Idle["idler"] = "12:00";
        await LookAsync();
        await LookLaterAsync();
        await LookLaterAsync();
        Assert.That(_reader.Floor, Is.EqualTo(1), "2 may be the idler's");

        _store.Commit(10);
        _store.Last = 10;
        await LookLaterAsync();
        await LookLaterAsync(nothingKnown: false);
        await LookLaterAsync(nothingKnown: false);

        Assert.That(_store.Spans, Is.EqualTo(new[] { (2L, 2L) }), "4 to 9 were given out while it was idle");
        _store.Commit(2);
        Assert.That(await LookAsync(nothingKnown: false), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task A_writer_that_was_at_work_in_between_may_hold_the_numbers_of_that_time()
    {
        _store.Commit(1, 3);
        _store.Last = 3;
        _store.Writers = ["worker"];
        for (var i = 0; i < 4; i++)
        {
            // Idle whenever it is looked at, but each time since another moment.
            _store.Idle["worker"] = $"12:00:0{i}";
            await LookLaterAsync();
            _store.Last++;
            _store.Commit(_store.Last.Value + 1);
        }

        await LookAsync(nothingKnown: false);
        Assert.That(_store.Spans, Is.EqualTo(new[] { (2L, 2L), (4L, 4L) }));
    }

    [Test]
    public async Task While_a_transaction_stays_open_only_the_holes_are_looked_into()
    {
        _store.Commit([1, .. Enumerable.Range(3, 20_000).Select(i => (long)i)]);
        _store.Last = 20_002;
        _store.Writers = ["open"];
        await LookAsync(limit: 100_000);
        _store.Settle([1, .. Enumerable.Range(3, 20_000).Select(i => (long)i)]);

        await LookAsync();

        Assert.That((_store.LastAfter, _store.Spans), Is.EqualTo((20_002, (IReadOnlyList<(long, long)>)[(2L, 2L)])));
    }

    [Test]
    public async Task Where_uncommitted_rows_show_a_hole_closes_when_it_has_shown_nothing_for_a_while()
    {
        Prepare(LateRows.WhileUncommitted);
        _store.Commit(1, 5);
        _store.Uncommitted = [3];
        await LookAsync();
        await LookLaterAsync();
        Assert.That((_reader.Floor, _store.FloorLooks), Is.EqualTo((1, 0)), "a number may be on its way to its row");

        _time.Advance(UncommittedWatch.Patience);
        await LookAsync();
        await LookAsync(nothingKnown: false);
        Assert.That(_reader.Floor, Is.EqualTo(2), "2 was given up, 3 is not committed yet");
        _store.Settle(1, 5);
        Assert.That(await LookAsync(), Is.Empty);

        _store.Uncommitted = [];
        _store.Commit(3);
        Assert.That(await LookAsync(), Is.EqualTo(new[] { 3 }));
        _time.Advance(TimeSpan.FromSeconds(1));
        await LookAsync();
        Assert.That((_reader.Floor, _reader.MayBeLate), Is.EqualTo((5, false)));
    }

    [Test]
    public async Task A_late_transaction_of_very_many_rows_comes_in_parts_and_nothing_from_above_it_meanwhile()
    {
        _store.Commit(1, 30_000);
        await LookAsync();
        _store.Commit([.. Enumerable.Range(2, 25_000).Select(i => (long)i)]);
        _store.Commit(30_001);

        var look = await _reader.LookAsync(2, 100, CancellationToken.None);

        Assert.That((look.Low.Count, look.LowIsEnd), Is.EqualTo((10_002, false)));
        Assert.That((look.LateOnly().Rows, look.LateOnly().Closed), Is.EqualTo(((IReadOnlyList<OutboxRow>)[], (IReadOnlyList<HoleWatch.Closed>)[])));
    }

    private void Prepare(LateRows lateRows)
    {
        _store = new MemoryStore { LateRows = lateRows };
        _time = new FakeTimeProvider();
        _reader = new OutboxReader(_store, _time);
    }

    private Task<long[]> LookLaterAsync(bool nothingKnown = true, int limit = 100)
    {
        _time.Advance(FloorInterval);
        return LookAsync(nothingKnown, limit);
    }

    /// <summary>One look and its end, as the drainer does them; gives the rows that are new to it.</summary>
    private async Task<long[]> LookAsync(bool nothingKnown = true, int limit = 100)
    {
        var look = await _reader.LookAsync(nothingKnown ? 0 : Math.Max(1, _store.Handed.Count), limit, CancellationToken.None);
        var late = look.Low.Where(s => !_store.Handed.Contains(s)).ToList();
        _reader.Finish(look, late);
        var found = late.Concat(look.Rows.Select(r => r.Sequence)).Where(_store.Handed.Add).Order().ToArray();
        return found;
    }

    private sealed class MemoryStore : IOutboxStore
    {
        private readonly SortedSet<long> _rows = [];

        public required LateRows LateRows { get; init; }

        /// <summary>What the relay holds.</summary>
        public HashSet<long> Handed { get; } = [];

        public long? Last { get; set; }

        public string[] Writers { get; set; } = [];

        /// <summary>Rows of open transactions that have written them.</summary>
        public long[] Uncommitted { get; set; } = [];

        /// <summary>Writers that have been idle since they wrote, by what they show for it.</summary>
        public Dictionary<string, string> Idle { get; } = [];

        public Action? BeforeList { get; set; }

        public int Lists { get; set; }

        /// <summary>Where the last list looked.</summary>
        public IReadOnlyList<(long First, long Last)> Spans { get; private set; } = [];

        public int FloorLooks { get; set; }

        public long LastAfter { get; private set; }

        public void Commit(params long[] sequences) => _rows.UnionWith(sequences);

        public void Settle(params long[] sequences)
        {
            _rows.ExceptWith(sequences);
            Handed.ExceptWith(sequences);
        }

        public Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> ReadAsync(long after, int limit, CancellationToken cancellationToken)
        {
            LastAfter = after;
            var rows = _rows.Where(s => s > after).Take(limit).Select(s => new OutboxRow { Sequence = s, Type = "t" }).ToList();
            return Task.FromResult<(IReadOnlyList<OutboxRow>, bool)>((rows, rows.Count < limit));
        }

        public Task<IReadOnlyList<long>> ListAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken)
        {
            Lists++;
            Spans = spans;
            BeforeList?.Invoke();
            BeforeList = null;
            return Task.FromResult<IReadOnlyList<long>>([.. _rows.Where(s => spans.Any(span => s >= span.First && s <= span.Last)).Take(limit)]);
        }

        public Task<IReadOnlyList<long>> ListUncommittedAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken)
        {
            FloorLooks++;
            return Task.FromResult<IReadOnlyList<long>>([.. _rows.Concat(Uncommitted).Order().Where(s => spans.Any(span => s >= span.First && s <= span.Last)).Take(limit)]);
        }

        public Task<long?> ReadLastSequenceAsync(CancellationToken cancellationToken)
        {
            FloorLooks++;
            return Task.FromResult(Last);
        }

        public Task<IReadOnlyList<(string Writer, string? IdleSince)>> ListWritersAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<(string, string?)>>([.. Writers.Select(w => (w, Idle.GetValueOrDefault(w)))]);

        public Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, bool stopsEarly, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> DropAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => SettleAsync(sequences, cancellationToken);

        public Task<bool> ExpireAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> DeadLetterAsync(IReadOnlyList<DeadRow> rows, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<BlockingLetter>> ReadBlockingAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> ScheduleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<(long Id, TimeSpan DueIn)>> ListScheduledAsync(int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> ReturnAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> SettleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

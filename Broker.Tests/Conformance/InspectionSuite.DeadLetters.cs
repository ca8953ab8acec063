using System.Text;
using Broker.Relay;

namespace Broker.Tests.Conformance;

/// <summary>Lists of dead letters, and one of them with all that is known of it.</summary>
internal abstract partial class InspectionSuite
{
    [Test]
    public async Task Dead_letters_are_read_by_the_page_in_either_order_forwards_and_backwards()
    {
        // Two share a time; the numbers and the times run against each other.
        foreach (var (number, seconds) in new[] { (1, -10), (2, -20), (3, -30), (4, -30), (5, -50) })
            await LetterAsync("relay", $"{number}", Guid.CreateVersion7(), seconds: seconds, key: $"k{number}");
        await _database.ExecuteAsync("UPDATE dead_letters SET last_failed_at = (SELECT f.at FROM (SELECT max(last_failed_at) AS at FROM dead_letters WHERE partition_key IN ('k3', 'k4')) AS f) WHERE partition_key IN ('k3', 'k4')");

        Assert.That(await WalkAsync(descending: false, byFailure: false), Is.EqualTo(new[] { "k1", "k2", "k3", "k4", "k5" }));
        Assert.That(await WalkAsync(descending: true, byFailure: false), Is.EqualTo(new[] { "k5", "k4", "k3", "k2", "k1" }));
        Assert.That(await WalkAsync(descending: false, byFailure: true), Is.EqualTo(new[] { "k5", "k3", "k4", "k2", "k1" }));
        Assert.That(await WalkAsync(descending: true, byFailure: true), Is.EqualTo(new[] { "k1", "k2", "k4", "k3", "k5" }));
    }

    /// <summary>All pages of two rows to the end, and back again to the beginning.</summary>
    private async Task<IReadOnlyList<string?>> WalkAsync(bool descending, bool byFailure)
    {
        var page = new DeadLetterDesk.Page(2, descending, byFailure);
        var pages = new List<IReadOnlyList<DeadLetterDesk.Letter>>();
        for (var next = await Desk.ListAsync(new DeadLetterDesk.Filter(), page, None); next.Count > 0; next = await Desk.ListAsync(new DeadLetterDesk.Filter(), page with { From = DeadLetterDesk.Place.Of(next[^1]) }, None))
            pages.Add(next);
        for (var i = pages.Count - 1; i > 0; i--)
        {
            var back = await Desk.ListAsync(new DeadLetterDesk.Filter(), page with { From = DeadLetterDesk.Place.Of(pages[i][0]), Before = true }, None);
            Assert.That(back, Is.EqualTo(pages[i - 1]), "the page before is the one that was shown before");
        }
        return [.. pages.SelectMany(p => p).Select(l => l.Key)];
    }

    [Test]
    public async Task Each_filter_of_dead_letters_finds_what_it_names_and_they_narrow_each_other()
    {
        await LetterAsync("relay", "1", Guid.CreateVersion7(), state: "blocking", reason: "No queue is bound", key: "k1");
        await LetterAsync("relay", "2", Guid.CreateVersion7(), reason: "its headers are broken", type: "tests.b.v1", key: "k2", seconds: -5000);
        await LetterAsync("consumer", "stock", Guid.CreateVersion7(), reason: "100% wrong", key: "k3");
        await LetterAsync("consumer", "1", Guid.CreateVersion7(), reason: "ARTICLE unknown", key: "k4");
        await LetterAsync("consumer", "stock", Guid.CreateVersion7(), state: "discarded", key: "k5");
        var all = new DeadLetterDesk.Filter();

        Assert.That(await KeysAsync(all), Is.EqualTo(new[] { "k1", "k2", "k3", "k4" }), "what was discarded waits for nobody");
        Assert.That(await KeysAsync(all with { Side = "relay" }), Is.EqualTo(new[] { "k1", "k2" }));
        Assert.That(await KeysAsync(all with { Side = "consumer" }), Is.EqualTo(new[] { "k3", "k4" }));
        Assert.That(await KeysAsync(all with { Consumer = "1" }), Is.EqualTo(new[] { "k4" }), "not the relay's row of that number");
        Assert.That(await KeysAsync(all with { Type = "tests.b.v1" }), Is.EqualTo(new[] { "k2" }));
        Assert.That(await KeysAsync(all with { Key = "k3" }), Is.EqualTo(new[] { "k3" }));
        Assert.That(await KeysAsync(all with { State = "blocking" }), Is.EqualTo(new[] { "k1" }));
        Assert.That(await KeysAsync(all with { State = "discarded" }), Is.EqualTo(new[] { "k5" }));
        Assert.That(await KeysAsync(all with { Text = "article UNKNOWN" }), Is.EqualTo(new[] { "k4" }), "in any case");
        Assert.That(await KeysAsync(all with { Text = "%" }), Is.EqualTo(new[] { "k3" }), "it is a text, not a pattern");
        Assert.That(await KeysAsync(all with { Since = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1) }), Is.EqualTo(new[] { "k1", "k3", "k4" }));
        Assert.That(await KeysAsync(all with { Side = "relay", Text = "broken", Type = "tests.a.v1" }), Is.Empty);
        var letters = await Desk.ListAsync(all, 0, 10, None);
        Assert.That(await KeysAsync(all with { Ids = [letters[0].Id, letters[2].Id, 4711] }), Is.EqualTo(new[] { "k1", "k3" }));
        Assert.That(await KeysAsync(all with { Ids = [] }), Is.Empty);

        async Task<IEnumerable<string?>> KeysAsync(DeadLetterDesk.Filter filter) => (await Desk.ListAsync(filter, 0, 10, None)).Select(l => l.Key);
    }

    [Test]
    public async Task Bulk_work_does_what_its_filter_names_tells_how_far_it_is_and_leaves_the_rest()
    {
        for (var i = 1; i <= 1_100; i++)
            await LetterAsync("relay", $"{i}", Guid.CreateVersion7(), reason: i % 2 == 0 ? "no queue is bound" : "too large", key: "k");
        var told = new List<int>();
        var desk = new DeadLetterDesk(_database.DataSource, dialect, "anna@desk") { Changed = told.Add };

        Assert.That(await desk.RedriveAsync(new DeadLetterDesk.Filter(Text: "no queue", Side: "relay"), "bound now", None), Is.EqualTo(550));

        Assert.That(told, Is.EqualTo(new[] { 500, 50 }));
        Assert.That((await _database.CountAsync("outbox_messages"), await _database.CountAsync("dead_letters"), await _database.CountAsync("dead_letter_actions")), Is.EqualTo((550L, 550L, 550L)));
        var ids = (await desk.ListAsync(new DeadLetterDesk.Filter(), 0, 3, None)).Select(l => l.Id).ToList();
        Assert.That(await desk.DiscardAsync(new DeadLetterDesk.Filter(Ids: ids), "test data", None), Is.EqualTo(3));
        Assert.That(await desk.RedriveAsync(new DeadLetterDesk.Filter(State: "discarded"), null, None), Is.Zero, "it is closed");
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(550));
    }

    [Test]
    public async Task A_dead_letter_is_shown_whole_with_the_first_of_its_body_and_what_was_done()
    {
        await LetterAsync("relay", "11", _id, state: "blocking", reason: "too large", body: "0123456789", headers: "not json");
        var id = (await Desk.ListAsync(new DeadLetterDesk.Filter(), 0, 1, None)).Single().Id;
        await Desk.DiscardAsync(new DeadLetterDesk.Filter(id), "test data", None);

        var detail = (await Desk.ReadAsync(id, mostBody: 4, None))!;

        Assert.That((detail.Letter.MessageId, detail.Letter.State, detail.Letter.Sequence, detail.Letter.Type, detail.Letter.Attempts, detail.Letter.Source), Is.EqualTo(($"{_id}", "discarded", 11L, "tests.a.v1", 5, "orders")));
        Assert.That((detail.Headers, detail.ContentType, detail.OriginalId, detail.Partition), Is.EqualTo(("not json", "application/json", $"{_id}", (short)0)));
        Assert.That((Encoding.UTF8.GetString(detail.Body), detail.BodyLength), Is.EqualTo(("0123", 10L)));
        Assert.That(detail.Error, Does.Contain("test data"));
        Assert.That((detail.CreatedAt < detail.Letter.FirstFailedAt, detail.Acts.Single().What), Is.EqualTo((true, "discarded")));
        Assert.That(await Desk.ReadAsync(id + 1, mostBody: 4, None), Is.Null);
    }
}

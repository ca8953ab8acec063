using System.Globalization;
using Broker.Tests.Support;
using Outbox.RabbitMQ;
using RabbitMQ.Client;

namespace Broker.Tests.Unit;

/// <summary>The broker closes a channel that names a delivery which it does not hold open: each tag exactly once, and never one that is still open below a "multiple".</summary>
internal sealed class DeliveryTagsTests
{
    private readonly List<string> _said = [];
    private DeliveryTags _tags = null!;

    [SetUp]
    public void Prepare()
    {
        _said.Clear();
        _tags = new DeliveryTags(Channel());
    }

    /// <summary>One that only notes what it is told.</summary>
    private IChannel Channel() =>
        Intercepted.Of<IChannel>(null, (member, arguments, _) =>
        {
            if (member == "get_IsOpen")
                return true;
            lock (_said)
                _said.Add($"{(member == "BasicNackAsync" ? "back " : (bool)arguments[1]! ? "up to " : "")}{arguments[0]}");
            return ValueTask.CompletedTask;
        });

    [Test]
    public async Task A_batch_with_nothing_open_below_it_is_one_word()
    {
        await _tags.AcceptAsync([3, 1, 2]);
        await _tags.AcceptAsync([4, 5]);

        Assert.That(_said, Is.EqualTo(new[] { "up to 3", "up to 5" }));
    }

    [Test]
    public async Task What_lies_above_an_open_one_is_named_alone_and_not_again()
    {
        await _tags.AcceptAsync([1, 2, 4, 5]);
        await _tags.AcceptAsync([3]);
        await _tags.AcceptAsync([6, 7]);

        Assert.That(_said, Is.EqualTo(new[] { "up to 2", "4", "5", "3", "up to 7" }));
    }

    [Test]
    public async Task Those_that_are_to_be_accepted_soon_are_one_word_when_they_are_many_and_are_not_forgotten_when_they_are_few()
    {
        var tags = new DeliveryTags(Channel(), gathered: 3);
        foreach (var tag in (ulong[])[2, 1, 3])
            await tags.AcceptSoonAsync(tag);
        Assert.That(_said, Is.EqualTo(new[] { "up to 3" }));

        await tags.AcceptSoonAsync(4);

        await Eventually.EqualsAsync(() => Task.FromResult(Said()), "up to 3, 4", "what was said");
        await tags.AcceptSoonAsync(5);
        await tags.FlushAsync();
        Assert.That(Said(), Is.EqualTo("up to 3, 4, 5"));

        string Said()
        {
            lock (_said)
                return string.Join(", ", _said);
        }
    }

    [Test]
    public async Task One_that_went_back_is_not_accepted_by_a_later_word()
    {
        await _tags.GiveBackAsync(2, requeue: true);
        await _tags.AcceptAsync([1, 3]);

        Assert.That(_said, Is.EqualTo(new[] { "back 2", "up to 3" }));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public async Task Whatever_the_order_every_tag_is_settled_once(int seed)
    {
        var random = new Random(seed);
        var (open, told) = (Enumerable.Range(1, 500).Select(i => (ulong)i).ToHashSet(), 0);
        var left = open.ToList();
        while (left.Count > 0)
        {
            var some = left.Take(40).OrderBy(_ => random.Next()).Take(random.Next(1, 20)).ToArray();
            left.RemoveAll(some.Contains);
            if (some.Length == 1 && random.Next(3) == 0)
                await _tags.GiveBackAsync(some[0], requeue: true);
            else
                await _tags.AcceptAsync(some);
            foreach (var word in _said.Skip(told))
            {
                var tag = ulong.Parse(word.Split(' ')[^1], CultureInfo.InvariantCulture);
                Assert.That(open.Remove(tag), $"{word}: the broker holds it open");
                if (word.StartsWith("up to", StringComparison.Ordinal))
                {
                    var covered = open.Where(t => t < tag).ToList();
                    Assert.That(covered, Is.SubsetOf(some), "only what was to be accepted");
                    open.ExceptWith(covered);
                }
            }
            told = _said.Count;
            Assert.That(open, Is.EquivalentTo(left), "what is left is open, and nothing else");
        }
    }
}

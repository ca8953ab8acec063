using Outbox.RabbitMQ;

namespace Broker.Tests.Unit;

internal sealed class UnconfirmedMessagesTests
{
    private static readonly Guid Id = Guid.CreateVersion7();

    [Test]
    public void A_message_comes_out_once_and_the_lowest_open_tag_moves_on()
    {
        var messages = new UnconfirmedMessages();
        var tags = Enumerable.Range(0, 5).Select(i => messages.Add(100 + i, Id, "t")).ToList();
        Assert.That(tags, Is.EqualTo(new ulong[] { 1, 2, 3, 4, 5 }));
        Assert.That(messages.Remove(2, out var second) && second.Ticket == 101);
        Assert.That(messages.Lowest, Is.EqualTo(1));
        Assert.That(messages.Remove(2, out _), Is.False);
        Assert.That(messages.Remove(1, out _));
        Assert.Multiple(() =>
        {
            Assert.That(messages.Lowest, Is.EqualTo(3));
            Assert.That(messages.Count, Is.EqualTo(3));
            Assert.That(messages.Remove(6, out _), Is.False);
            Assert.That(messages.Remove(0, out _), Is.False);
        });
    }

    [Test]
    public void One_silent_message_does_not_stop_those_behind_it()
    {
        var messages = new UnconfirmedMessages();
        messages.Add(0, Id, "silent");
        for (var i = 1; i <= 20_000; i++)
        {
            var tag = messages.Add(i, Id, "t");
            Assert.That(messages.Remove(tag, out var message) && message.Ticket == i);
        }
        Assert.That(messages.Count, Is.EqualTo(1));
        Assert.That(messages.Remove(1, out var silent) && silent.Type == "silent");
        Assert.That(messages.Lowest, Is.EqualTo(20_002));
    }

    [Test]
    public void A_return_marks_one_message_of_its_id_and_type()
    {
        var messages = new UnconfirmedMessages();
        messages.Add(1, Id, "other");
        messages.Add(2, Id, "t");
        messages.Add(3, Id, "t");
        messages.Return(Id, "t", "first");
        messages.Return(Id, "t", "second");
        messages.Return(Id, "t", "of nobody");
        messages.Remove(1, out var other);
        messages.Remove(2, out var first);
        messages.Remove(3, out var second);
        Assert.That((other.Returned, first.Returned, second.Returned), Is.EqualTo(((string?)null, "first", "second")));
    }

    [Test]
    public void What_is_left_comes_back_in_order_and_later_tags_go_on()
    {
        var messages = new UnconfirmedMessages();
        for (var i = 1; i <= 3_000; i++)
            messages.Add(i, Id, "t");
        for (var tag = 1ul; tag <= 3_000; tag += 2)
            messages.Remove(tag, out _);
        Assert.That(messages.Clear(), Is.EqualTo(Enumerable.Range(1, 1_500).Select(i => (long)(2 * i))));
        Assert.That(messages.Count, Is.Zero);
        Assert.That(messages.Add(7, Id, "t"), Is.EqualTo(3_001));
        Assert.That(messages.Remove(3_001, out var last) && last.Ticket == 7);
    }
}

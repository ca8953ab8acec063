using FsCheck;
using FsCheck.Fluent;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Unit;

internal sealed class BatchGroupsTests
{
    private static readonly MessageHandlerInvoker[] Handlers =
    [
        MessageHandlerInvoker.ForBatch<string, Many>(),
        MessageHandlerInvoker.ForBatch<string, Many>(),
        MessageHandlerInvoker.For<string, One>(),
    ];

    [Test]
    public void Messages_of_one_handler_are_one_call() =>
        Assert.That(Of("0a 0b 0- 0a"), Is.EqualTo("0a0b0-0a"));

    [Test]
    public void A_handler_of_single_messages_gets_them_one_by_one() =>
        Assert.That(Of("2a 2b 2a"), Is.EqualTo("2a | 2b | 2a"));

    [Test]
    public void Types_in_turns_are_one_call_each_as_long_as_their_keys_differ() =>
        Assert.That(Of("0a 1b 0c 1d 0-"), Is.EqualTo("0a0c0- | 1b1d"));

    [Test]
    public void A_message_does_not_overtake_an_earlier_one_of_its_key() =>
        Assert.That(Of("0a 1a 0a 0b"), Is.EqualTo("0a0b | 1a | 0a"));

    [Test]
    public void Where_keys_do_not_matter_each_handler_is_called_once() =>
        Assert.That(Of("0a 1a 0a 1a", keepOrder: false), Is.EqualTo("0a0a | 1a1a"));

    [Test]
    public void Every_message_is_in_one_group_and_keys_keep_their_order() => Prop.ForAll<int[]>(HoldsFor).QuickCheckThrowOnFailure();

    private static bool HoldsFor(int[] seeds)
    {
        var messages = seeds.Select((seed, i) => Message((int)((uint)seed % 3), (char)('a' + ((uint)seed / 3 % 4)), i)).ToList();
        var groups = BatchGroups.Of(messages, keepOrder: true);
        var all = groups.SelectMany(g => g).ToList();
        return all.Count == messages.Count && all.ToHashSet().SetEquals(messages)
            && groups.All(g => g.Count > 0 && g.All(m => m.Handler == g[0].Handler) && (g.Count == 1 || g[0].Handler.TakesMany))
            && all.GroupBy(m => m.Incoming.PartitionKey).Where(k => k.Key is not null).All(k => k.SequenceEqual(messages.Where(m => m.Incoming.PartitionKey == k.Key)));
    }

    private static string Of(string messages, bool keepOrder = true) => string.Join(" | ", BatchGroups
        .Of([.. messages.Split(' ').Select((m, i) => Message(m[0] - '0', m[1], i))], keepOrder)
        .Select(g => string.Concat(g.Select(m => $"{Array.IndexOf(Handlers, m.Handler)}{m.Incoming.PartitionKey ?? "-"}"))));

    private static ReadableMessage Message(int handler, char key, int number) =>
        new(new IncomingMessage(new Held { Headers = key == '-' ? Envelope.NoHeaders : new Dictionary<string, string> { [MessageHeaders.PartitionKey] = key.ToString() } }), Guid.CreateVersion7(), Handlers[handler], number);

    private sealed class Held : Delivery
    {
        public override ValueTask AcceptAsync() => ValueTask.CompletedTask;

        public override ValueTask RequeueAsync() => ValueTask.CompletedTask;

        public override ValueTask RejectAsync() => ValueTask.CompletedTask;
    }

    private sealed class One : IMessageHandler<string>
    {
        public Task HandleAsync(string message, MessageContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class Many : IBatchHandler<string>
    {
        public Task HandleAsync(IReadOnlyList<ReceivedMessage<string>> messages, BatchContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

using System.Globalization;
using System.Text;
using Broker.Tests.Support;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <content>Queues that share a consumer's messages by key.</content>
internal abstract partial class TransportSuite
{
    [Test]
    public async Task Each_key_has_one_queue_that_gets_its_messages_in_their_order([Values(2, 3)] int partitions)
    {
        await _transport.DeclareAsync(Of(partitions, 0), CancellationToken.None);
        await using var channel = await OpenAsync(window: 64);
        var results = ResultsAsync(channel, 300);
        for (var i = 0; i < 300; i++)
            await channel.PublishAsync(Keyed($"{i}", i % 50), i, CancellationToken.None);
        Assert.That((await results).Select(r => r.Outcome), Is.All.EqualTo(PublishOutcome.Confirmed));

        var expected = Enumerable.Range(0, 300).ToLookup(i => Partitioner.PartitionOf($"key {i % 50}", 64) % partitions);
        for (var partition = 0; partition < partitions; partition++)
        {
            await using var receiver = await Receiver.OnAsync(_transport, Of(partitions, partition));
            Assert.That((await receiver.NextAsync(expected[partition].Count())).Select(d => int.Parse(Text(d), CultureInfo.InvariantCulture)), Is.EqualTo(expected[partition]));
        }
    }

    [Test]
    public async Task Messages_without_a_key_are_spread_and_none_is_lost()
    {
        await using var first = await Receiver.OnAsync(_transport, Of(2, 0));
        await using var second = await Receiver.OnAsync(_transport, Of(2, 1));
        await using var channel = await OpenAsync();
        var ids = Enumerable.Range(0, 64).Select(_ => Guid.CreateVersion7()).ToList();
        foreach (var id in ids)
            await channel.PublishAsync(new Envelope { MessageId = id, Type = Type, Body = "{}"u8.ToArray() }, 0, CancellationToken.None);

        var ofFirst = ids.Where(id => Partitioner.PartitionOf(id.ToString("D"), 64) % 2 == 0).ToList();
        Assert.That(ofFirst, Has.Count.InRange(1, 63));
        Assert.That((await first.NextAsync(ofFirst.Count)).Select(d => d.MessageId), Is.EqualTo(ofFirst.Select(id => id.ToString("D"))));
        Assert.That((await second.NextAsync(64 - ofFirst.Count)).Select(d => d.MessageId), Is.EqualTo(ids.Except(ofFirst).Select(id => id.ToString("D"))));
    }

    [Test]
    public async Task A_second_subscriber_of_a_partition_stands_by_and_a_type_that_is_not_bound_is_unroutable()
    {
        var first = await Receiver.OnAsync(_transport, Of(2, 0));
        await using var second = await Receiver.OnAsync(_transport, Of(2, 0));
        await using var channel = await OpenAsync();
        var key = Enumerable.Range(0, 64).First(k => Partitioner.PartitionOf($"key {k}", 64) % 2 == 0);
        await channel.PublishAsync(Keyed("1", key), 1, CancellationToken.None);
        Assert.That(Text(await first.NextAsync()), Is.EqualTo("1"));

        await first.DisposeAsync();

        Assert.That(Text(await second.NextAsync()), Is.EqualTo("1"));
        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
        await channel.PublishAsync(Message("lost", type: "tests.other.v1"), 2, CancellationToken.None);
        Assert.That((await ResultAsync(channel)).Outcome, Is.EqualTo(PublishOutcome.Unroutable));
    }

    [Test]
    public async Task A_queue_exists_from_its_declaration_on()
    {
        Assert.That(await _transport.HasQueueAsync(_queue + ".1-of-2", CancellationToken.None), Is.False);
        await _transport.DeclareAsync(Of(2, 0), CancellationToken.None);
        Assert.That(await _transport.HasQueueAsync(_queue + ".1-of-2", CancellationToken.None), Is.True);
        Assert.That(await _transport.HasQueueAsync(_queue, CancellationToken.None), Is.False);
    }

    private SubscriptionOptions Of(int partitions, int partition) =>
        new() { Queue = _queue, Exchange = _exchange, Types = [Type], Partitions = partitions, Partition = partition };

    private static Envelope Keyed(string text, int key) =>
        new() { MessageId = Guid.CreateVersion7(), Type = Type, Body = Encoding.UTF8.GetBytes(text), PartitionKey = $"key {key}" };
}

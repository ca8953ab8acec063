using Outbox.Messages;
using Outbox.RabbitMQ;
using RabbitMQ.Client;

namespace Broker.Tests.Unit;

internal sealed class EnvelopePropertiesTests
{
    private static Envelope Message(Dictionary<string, string>? headers = null, string? key = "käse-1", long? keySequence = 7, string type = "orders.order-placed.v1") => new()
    {
        MessageId = Guid.Parse("0198f3c2-0000-7000-8000-000000000001"),
        Type = type,
        PartitionKey = key,
        KeySequence = keySequence,
        Source = "orders",
        CreatedAt = new DateTime(2026, 1, 31, 23, 59, 59, 123, DateTimeKind.Utc),
        Headers = headers ?? new Dictionary<string, string> { ["tenant"] = "ä", ["empty"] = "" },
        Body = Array.Empty<byte>(),
    };

    [Test]
    public void The_bytes_are_those_of_plain_texts([Values] bool partitionSlots)
    {
        foreach (var envelope in (Envelope[])[Message(), Message([], null, null), Message(new Dictionary<string, string> { ["big"] = new string('x', 5_000) })])
        {
            var ours = new EnvelopeProperties(partitionSlots);
            Assert.That(ours.TryFill(envelope, int.MaxValue), Is.Null);
            var headers = new Dictionary<string, object?>();
            foreach (var (name, value) in envelope.Headers)
                headers[name] = value;
            headers["cloudEvents:specversion"] = "1.0";
            headers["cloudEvents:id"] = "0198f3c2-0000-7000-8000-000000000001";
            headers["cloudEvents:source"] = "orders";
            headers["cloudEvents:type"] = "orders.order-placed.v1";
            headers["cloudEvents:time"] = "2026-01-31T23:59:59.123Z";
            if (partitionSlots)
                headers["outbox-partition-slot"] = Partitioner.PartitionOf(envelope.PartitionKey ?? "0198f3c2-0000-7000-8000-000000000001", 64).ToString(System.Globalization.CultureInfo.InvariantCulture);
            if (envelope.PartitionKey is { } key)
                headers[MessageHeaders.PartitionKey] = key;
            if (envelope.KeySequence is { } sequence)
                headers[MessageHeaders.KeySequence] = sequence.ToString(System.Globalization.CultureInfo.InvariantCulture);
            var theirs = new BasicProperties
            {
                ContentType = "application/json",
                Headers = headers,
                DeliveryMode = DeliveryModes.Persistent,
                MessageId = "0198f3c2-0000-7000-8000-000000000001",
                Timestamp = new AmqpTimestamp(1_769_903_999),
                Type = "orders.order-placed.v1",
            };
            Assert.That(Bytes(ours.Properties), Is.EqualTo(Bytes(theirs)));
        }
    }

    [Test]
    public void One_object_serves_one_message_after_another()
    {
        var properties = new EnvelopeProperties(partitionSlots: true);
        properties.TryFill(Message(new Dictionary<string, string> { ["big"] = new string('x', 5_000) }), int.MaxValue);
        properties.Properties.Headers!["traceparent"] = "added by the client";
        properties.TryFill(Message(), int.MaxValue);
        var fresh = new EnvelopeProperties(partitionSlots: true);
        fresh.TryFill(Message(), int.MaxValue);
        Assert.That(Bytes(properties.Properties), Is.EqualTo(Bytes(fresh.Properties)));
    }

    [Test]
    public void What_the_broker_would_answer_by_closing_is_refused_with_a_reason()
    {
        var properties = new EnvelopeProperties(partitionSlots: true);
        Assert.Multiple(() =>
        {
            Assert.That(properties.TryFill(Message(type: new string('ä', 150)), int.MaxValue), Does.Contain("type has more than 255 bytes"));
            Assert.That(properties.TryFill(Message(new Dictionary<string, string> { [new string('n', 256)] = "" }), int.MaxValue), Does.Contain("name of one of its headers"));
            Assert.That(properties.TryFill(Message(new Dictionary<string, string> { ["big"] = new string('x', 200_000) }), 131_052), Does.Contain("a frame holds 131,052"));
            Assert.That(properties.TryFill(Message(), 131_052), Is.Null);
        });
    }

    private static byte[] Bytes(IAmqpWriteable writeable)
    {
        var bytes = new byte[writeable.GetRequiredBufferSize()];
        Assert.That(writeable.WriteTo(bytes), Is.EqualTo(bytes.Length));
        return bytes;
    }
}

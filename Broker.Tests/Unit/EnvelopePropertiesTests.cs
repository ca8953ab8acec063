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
    public void The_bytes_are_those_that_the_client_library_would_write()
    {
        foreach (var envelope in (Envelope[])[Message(), Message([], null, null), Message(new Dictionary<string, string> { ["big"] = new string('x', 5_000) })])
        {
            var ours = new EnvelopeProperties();
            Assert.That(ours.TryEncode(envelope, int.MaxValue), Is.Null);
            // The library copies what it can read of foreign properties, so this also holds the readable side to the encoded one.
            var theirs = new BasicProperties(ours);
            Assert.That(Bytes(ours), Is.EqualTo(Bytes(theirs)));
        }
    }

    [Test]
    public void One_buffer_serves_one_message_after_another()
    {
        var properties = new EnvelopeProperties();
        properties.TryEncode(Message(new Dictionary<string, string> { ["big"] = new string('x', 5_000) }), int.MaxValue);
        properties.TryEncode(Message(), int.MaxValue);
        var fresh = new EnvelopeProperties();
        fresh.TryEncode(Message(), int.MaxValue);
        Assert.That(Bytes(properties), Is.EqualTo(Bytes(fresh)));
    }

    [Test]
    public void What_the_broker_would_answer_by_closing_is_refused_with_a_reason()
    {
        var properties = new EnvelopeProperties();
        Assert.Multiple(() =>
        {
            Assert.That(properties.TryEncode(Message(type: new string('ä', 150)), int.MaxValue), Does.Contain("type has more than 255 bytes"));
            Assert.That(properties.TryEncode(Message(new Dictionary<string, string> { [new string('n', 256)] = "" }), int.MaxValue), Does.Contain("name of one of its headers"));
            Assert.That(properties.TryEncode(Message(new Dictionary<string, string> { ["big"] = new string('x', 200_000) }), 131_052), Does.Contain("a frame holds 131,052"));
            Assert.That(properties.TryEncode(Message(), 131_052), Is.Null);
        });
    }

    private static byte[] Bytes(IAmqpWriteable writeable)
    {
        var bytes = new byte[writeable.GetRequiredBufferSize()];
        Assert.That(writeable.WriteTo(bytes), Is.EqualTo(bytes.Length));
        return bytes;
    }
}

namespace Outbox.Messages;

/// <summary>Turns messages into bytes and back. Implementations must be thread-safe.</summary>
public interface IMessageSerializer
{
    /// <summary>The content type that the bodies carry, for example <c>application/json</c>.</summary>
    string ContentType { get; }

    /// <summary>Writes <paramref name="message"/>.</summary>
    byte[] Serialize(object message);

    /// <summary>Reads a message of <paramref name="type"/>.</summary>
    /// <exception cref="UnreadableMessageException">The body is not a valid message of that type. Its message must not quote the body.</exception>
    object Deserialize(ReadOnlyMemory<byte> body, Type type);
}

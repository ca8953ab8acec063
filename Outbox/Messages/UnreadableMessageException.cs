namespace Outbox.Messages;

/// <summary>A body cannot be read as a message of its type. The message becomes a dead letter at once: reading it again would not help.</summary>
public sealed class UnreadableMessageException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Why, without quoting the body.</param>
    /// <param name="innerException">The serializer's own error.</param>
    public UnreadableMessageException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}

namespace Outbox.Consumers;

/// <summary>Thrown by a handler that knows that trying again is useless: the message becomes a dead letter at once.</summary>
public sealed class RejectMessageException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="reason">Why, for the operator who will read it.</param>
    /// <param name="innerException">The cause, if any.</param>
    public RejectMessageException(string reason, Exception? innerException = null) : base(reason, innerException)
    {
    }
}

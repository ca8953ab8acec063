namespace Outbox;

/// <summary>Something is configured wrongly. The message names the thing, its value and what to change; it never holds a password.</summary>
public sealed class OutboxConfigurationException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong and what to do.</param>
    /// <param name="innerException">The cause, if any.</param>
    public OutboxConfigurationException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}

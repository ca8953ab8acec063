namespace Outbox.Transport;

/// <summary>The broker cannot be reached, or refuses.</summary>
public sealed class TransportException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What happened, without a password.</param>
    /// <param name="isTransient">Whether trying again later can help.</param>
    /// <param name="innerException">The client library's own error.</param>
    public TransportException(string message, bool isTransient, Exception? innerException = null) : base(message, innerException) => IsTransient = isTransient;

    /// <summary>Whether trying again later can help: true for an outage, false for a wrong password or a queue declared otherwise.</summary>
    public bool IsTransient { get; }
}

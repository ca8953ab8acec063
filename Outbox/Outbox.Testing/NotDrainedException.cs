namespace Outbox.Testing;

/// <summary>A test's messages did not come to rest in time. The text says what is where.</summary>
public sealed class NotDrainedException : Exception
{
    internal NotDrainedException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

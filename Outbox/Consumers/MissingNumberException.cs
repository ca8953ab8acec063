namespace Outbox.Consumers;

/// <summary>A message has waited long enough for an earlier one of its key.</summary>
internal sealed class MissingNumberException : Exception
{
    public MissingNumberException(string message)
        : base(message)
    {
    }
}

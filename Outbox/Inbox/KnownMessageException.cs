namespace Outbox.Inbox;

/// <summary>A message that was taken for new is in the inbox already.</summary>
internal sealed class KnownMessageException(Exception inner) : Exception("A message of the batch is in the inbox already.", inner);

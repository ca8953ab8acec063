namespace Outbox.Consumers;

/// <summary>A message of a batch, and what is known of it.</summary>
/// <typeparam name="TMessage">The message class.</typeparam>
/// <param name="Message">The message.</param>
/// <param name="Context">Its id, key, headers and attempt.</param>
public sealed record ReceivedMessage<TMessage>(TMessage Message, MessageContext Context)
    where TMessage : notnull;

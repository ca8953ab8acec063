namespace Outbox.Consumers;

/// <summary>A message that has an id, a handler, and a body that could be read.</summary>
/// <param name="Incoming">The delivery.</param>
/// <param name="MessageId">Its id.</param>
/// <param name="Handler">Who handles it.</param>
/// <param name="Message">The body.</param>
internal sealed record ReadableMessage(IncomingMessage Incoming, Guid MessageId, MessageHandlerInvoker Handler, object Message);

namespace Outbox.Consumers;

/// <summary>Handles messages of one type. A new instance is made for each attempt, in a scope of its own.</summary>
/// <typeparam name="TMessage">The message class, with a <see cref="Messages.MessageTypeAttribute"/>.</typeparam>
/// <remarks>
/// What the handler changes through the scope's context, or through <see cref="MessageContext.Transaction"/>, commits together with the inbox row when it returns,
/// at most once (G4). When it throws, everything is rolled back and the message is tried again. Effects elsewhere (mails, calls to other services) are not covered: send an event instead.
/// Messages of one partition key are handled one after another; others may run beside them.
/// </remarks>
public interface IMessageHandler<in TMessage>
{
    /// <summary>Applies the message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="context">Its id, headers, attempt and transaction.</param>
    /// <param name="cancellationToken">Cancelled when the service has to stop before the handler is done; the message is then delivered again.</param>
    /// <exception cref="RejectMessageException">Throw it to set the message aside at once, without further attempts.</exception>
    Task HandleAsync(TMessage message, MessageContext context, CancellationToken cancellationToken);
}

namespace Outbox.Consumers;

/// <summary>Handles many messages of one type at once, so that their effects can be written with few statements. A new instance is made for each attempt.</summary>
/// <typeparam name="TMessage">The message class, with a <see cref="Messages.MessageTypeAttribute"/>.</typeparam>
/// <remarks>
/// What the handler changes through the scope's context, or through <see cref="BatchContext.Transaction"/>, commits together with the inbox rows of all the messages, at most once (G4).
/// When it throws, everything is rolled back and the messages are tried in smaller parts, down to one by one, until it is clear which of them fails: that one alone is tried again and set aside.
/// Messages of one partition key are in their order; all of them are new, and no id occurs twice.
/// </remarks>
public interface IBatchHandler<TMessage>
    where TMessage : notnull
{
    /// <summary>Applies the messages, all of them or, by throwing, none.</summary>
    /// <param name="messages">At least one, at most <see cref="ConsumerOptions.BatchSize"/>.</param>
    /// <param name="context">What they have in common: consumer and transaction.</param>
    /// <param name="cancellationToken">Cancelled when the service has to stop before the handler is done; the messages are then delivered again.</param>
    /// <exception cref="RejectMessageException">Throw it to have a message set aside at once; with several messages it says that one of them is to be.</exception>
    Task HandleAsync(IReadOnlyList<ReceivedMessage<TMessage>> messages, BatchContext context, CancellationToken cancellationToken);
}

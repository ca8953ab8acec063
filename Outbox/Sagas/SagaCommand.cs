namespace Outbox.Sagas;

/// <summary>A command that a saga sends.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="Message">The message.</param>
/// <param name="Call">What it is to the saga.</param>
/// <param name="Delay">How long it waits in the outbox.</param>
internal sealed record SagaCommand(Guid MessageId, object Message, SagaCall Call, TimeSpan Delay);

namespace Outbox.Consumers;

/// <summary>What is known of a row of <c>deferred_messages</c> that was read: its number, its message, and the failed attempts by which a later change of it shows.</summary>
/// <param name="Id">Its number.</param>
/// <param name="MessageId">The message's id; the text that its sender gave may be cut in the table.</param>
/// <param name="Attempts">Failed attempts.</param>
/// <param name="State">Its state.</param>
/// <param name="Age">How long it has been deferred.</param>
/// <param name="Reason">Why it failed last.</param>
internal sealed record DeferredRow(long Id, Guid MessageId, int Attempts, string State = DeferredState.Failed, TimeSpan Age = default, string? Reason = null);

namespace Broker.Relay;

/// <summary>A row that the relay has given up on, on its way to <c>dead_letters</c>.</summary>
/// <param name="Row">The row. Its key waits until it is gone.</param>
/// <param name="Reason">Why it cannot be published, in one sentence.</param>
/// <param name="Attempts">How often it, or another of its type for it, was tried.</param>
/// <param name="Age">How long ago it failed first.</param>
/// <param name="Blocks">Whether the later rows of its key wait for an operator.</param>
internal sealed record DeadRow(OutboxRow Row, string Reason, int Attempts, TimeSpan Age, bool Blocks);

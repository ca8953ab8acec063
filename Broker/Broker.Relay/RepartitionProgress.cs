namespace Broker.Relay;

/// <summary>How far a change of the number of partitions has come.</summary>
/// <param name="Stage">What is going on.</param>
/// <param name="Done">Partitions that stand still; seconds or transactions to wait for; rows that were moved; when done, the old number.</param>
/// <param name="Of">Of so many, if that is known; when done, the new number.</param>
/// <param name="What">What is waited for.</param>
internal sealed record RepartitionProgress(RepartitionStage Stage, long Done, long Of, string? What);

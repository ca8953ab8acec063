namespace Outbox.Transport;

/// <summary>How the connection to a broker stands.</summary>
/// <param name="Condition">Its condition.</param>
/// <param name="Reason">Why it is away or blocked; null otherwise.</param>
internal sealed record TransportStanding(TransportCondition Condition, string? Reason = null)
{
    /// <summary>Nobody has used it yet.</summary>
    public static TransportStanding Unused { get; } = new(TransportCondition.Unused);

    /// <summary>It is open.</summary>
    public static TransportStanding Connected { get; } = new(TransportCondition.Connected);
}

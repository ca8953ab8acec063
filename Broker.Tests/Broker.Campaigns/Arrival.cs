namespace Broker.Campaigns;

/// <summary>One delivery from the queue.</summary>
/// <param name="Id">The message.</param>
/// <param name="Key">Its partition key.</param>
/// <param name="Version">Its aggregate's version.</param>
/// <param name="At">When it came, as a time stamp.</param>
/// <param name="IsRedelivered">Whether the queue gave it out before: the relay has no part in that copy.</param>
internal readonly record struct Arrival(Guid Id, string? Key, long Version, long At, bool IsRedelivered);

using Broker.Relay;

namespace Broker.Dashboard.Jobs;

/// <summary>Work on many dead letters of one source, as a job's arguments keep it.</summary>
/// <param name="Source">The source.</param>
/// <param name="Discards">Whether the letters are discarded; otherwise they are redriven.</param>
/// <param name="Actor">Who asked for it.</param>
/// <param name="Reason">Why.</param>
/// <param name="Filter">Which letters, and up to which number: a letter that comes after the job was asked for is none of its business, or a message that fails at once would go round for ever.</param>
internal sealed record LetterWork(string Source, bool Discards, string Actor, string? Reason, DeadLetterDesk.Filter Filter)
{
    /// <summary>As Hangfire's pages name the job.</summary>
    public override string ToString() => $"{(Discards ? "Discard" : "Redrive")} dead letters of {Source}";
}

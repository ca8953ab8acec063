namespace Broker.Dashboard.Jobs;

/// <summary>How far a job is.</summary>
/// <param name="Id">The job.</param>
/// <param name="State">Its state as Hangfire names it: Enqueued, Processing, Succeeded, Failed, Deleted.</param>
/// <param name="Work">What it does; null for a job of another kind.</param>
/// <param name="Done">What is done.</param>
/// <param name="Total">What there was at its start.</param>
/// <param name="IsMore">Whether there was more than is counted.</param>
internal sealed record JobProgress(string Id, string State, LetterWork? Work, long Done, long Total, bool IsMore);

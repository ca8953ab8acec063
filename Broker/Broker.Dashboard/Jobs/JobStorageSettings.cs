namespace Broker.Dashboard.Jobs;

/// <summary>Where Hangfire keeps jobs, their history, and what they found.</summary>
/// <param name="Kind">The kind of database.</param>
/// <param name="ConnectionString">How to reach it. Never logged or shown.</param>
/// <param name="IsChosen">Whether somebody has said so; otherwise it is in memory because nobody has.</param>
internal sealed record JobStorageSettings(JobStorageKind Kind, string ConnectionString, bool IsChosen)
{
    /// <summary>In memory, because nothing was said.</summary>
    public static JobStorageSettings Unset { get; } = new(JobStorageKind.InMemory, "", IsChosen: false);

    /// <summary>What people should know of it; null if there is nothing.</summary>
    public string? Notice => IsChosen ? null : "Jobs and their history are kept in the memory of this worker and are gone when it ends. Set Broker:Jobs:Storage and Broker:Jobs:ConnectionString.";
}

namespace Broker.Dashboard.Jobs;

/// <summary>The section <c>Broker:Jobs</c>, read and checked.</summary>
internal sealed class JobsSettings
{
    /// <summary>How long discarded dead letters are kept.</summary>
    public TimeSpan DiscardedRetention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How long it is remembered what operators did.</summary>
    public TimeSpan ActionsRetention { get; init; } = TimeSpan.FromDays(365);

    /// <summary>How long rows of inboxes are kept whose consumers nobody runs any more; null: for ever. Consumers that run forget by themselves.</summary>
    /// <remarks>Longer than the retention of any consumer that runs, or its duplicates take effect (G4).</remarks>
    public TimeSpan? InboxRetention { get; init; }

    /// <summary>A source whose oldest row waits for longer is stuck.</summary>
    public TimeSpan StuckAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Where jobs are kept.</summary>
    public JobStorageSettings Storage { get; init; } = JobStorageSettings.Unset;

    /// <summary>Whether this worker runs jobs; otherwise others with the same storage do.</summary>
    public bool RunsHere { get; init; } = true;

    /// <summary>Whether what is started here can ever run.</summary>
    public bool CanRun => RunsHere || Storage.Kind != JobStorageKind.InMemory;

    /// <summary>What is redriven by itself.</summary>
    public IReadOnlyList<RedriveSettings> Redrive { get; init; } = [];
}

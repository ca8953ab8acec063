using Broker.Relay;

namespace Broker.Commands;

/// <summary>How a source stands, at one look.</summary>
/// <param name="Source">The source.</param>
/// <param name="Trouble">Why it could not be asked; null if it could.</param>
internal sealed record SourceStatus(SourceSettings Source, string? Trouble)
{
    /// <summary>A relay that lives, and the partitions that it holds.</summary>
    internal sealed record Relay(string Owner, IReadOnlyList<int> Partitions);

    /// <summary>What waits; null if it could not be asked.</summary>
    public OutboxBacklog? Backlog { get; init; }

    /// <summary>How many partitions its outbox has.</summary>
    public int Partitions { get; init; }

    /// <summary>Whether their number is being changed.</summary>
    public bool IsChanging { get; init; }

    /// <summary>Its relays.</summary>
    public IReadOnlyList<Relay> Relays { get; init; } = [];

    /// <summary>The first dead letters that wait for an operator.</summary>
    public IReadOnlyList<DeadLetterDesk.Letter> Letters { get; init; } = [];

    /// <summary>What its relays say of keys and types that wait.</summary>
    public IReadOnlyList<BlockedKey> Blocked { get; init; } = [];

    /// <summary>Keys that wait for a number that has not come.</summary>
    public IReadOnlyList<KeyGap> Gaps { get; init; } = [];

    /// <summary>The highest number that its outbox has given out.</summary>
    public long? LastNumber { get; init; }

    /// <summary>When this was, by the process's own steady clock.</summary>
    public long Timestamp { get; init; }

    /// <summary>Rows written a second since the look before; null without one.</summary>
    public double? In { get; private init; }

    /// <summary>Rows that left the outbox a second since the look before.</summary>
    public double? Out { get; private init; }

    /// <summary>The same, with the rates since an earlier look.</summary>
    public SourceStatus Since(SourceStatus? earlier, TimeProvider time)
    {
        if (Backlog is null || earlier?.Backlog is not { } before || time.GetElapsedTime(earlier.Timestamp, Timestamp).TotalSeconds is not (> 0.05 and var seconds))
            return this;
        // A number that was given out and rolled back counts as written and gone: both rates are a little too high then.
        var written = Math.Max(0, (LastNumber ?? 0) - (earlier.LastNumber ?? 0));
        return this with { In = written / seconds, Out = Math.Max(0, written - (Backlog.Rows - before.Rows)) / seconds };
    }
}

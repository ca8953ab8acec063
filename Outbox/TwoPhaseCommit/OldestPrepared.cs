namespace Outbox.TwoPhaseCommit;

/// <summary>How long the oldest branch has been prepared, by what recovery has seen: nobody is asked for it. <see cref="Age"/> is thread-safe.</summary>
/// <remarks>MySQL and MariaDB do not say how old a branch is: there it counts from when this process saw it first. What a participant that is away has prepared goes on to count.</remarks>
internal sealed class OldestPrepared(TimeProvider time)
{
    private readonly Dictionary<(string Participant, TransactionId Id), long> _since = [];

    private volatile Look? _last;

    private sealed record Look(long? Oldest);

    /// <summary>Zero if none is prepared; null before the first look.</summary>
    public TimeSpan? Age => _last is not { } last ? null : last.Oldest is { } since ? time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Takes what a look has found.</summary>
    /// <param name="prepared">The branches.</param>
    /// <param name="isAway">Whether a participant, by its name, did not answer.</param>
    public void Take(IReadOnlyCollection<PreparedBranch> prepared, Func<string, bool> isAway)
    {
        var now = time.GetTimestamp();
        var found = prepared.Select(b => (b.Participant.Name, b.Id)).ToHashSet();
        foreach (var gone in _since.Keys.Where(b => !found.Contains(b) && !isAway(b.Participant)).ToList())
            _since.Remove(gone);
        foreach (var branch in prepared)
            _since.TryAdd((branch.Participant.Name, branch.Id), now - (long)((branch.Age ?? TimeSpan.Zero).TotalSeconds * time.TimestampFrequency));
        _last = new Look(_since.Count > 0 ? _since.Values.Min() : null);
    }
}

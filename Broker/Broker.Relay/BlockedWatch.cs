namespace Broker.Relay;

/// <summary>Keeps a picture of what does not flow in one partition, for people and metrics: bounded, and drawn once a second at most. One drainer draws it, anybody may look at it.</summary>
internal sealed class BlockedWatch(RelaySource source, RowQueues rows, TimeProvider time)
{
    /// <summary>Most entries of the picture: those that most rows wait for.</summary>
    public const int Most = 20;

    private const int LongestReason = 200;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private volatile IReadOnlyList<BlockedKey> _seen = [];
    private long _drawnAt;
    private int _retrying;
    private int _deadLetters;
    private int _types;

    /// <summary>The picture as it was drawn last.</summary>
    public IReadOnlyList<BlockedKey> Seen => _seen;

    /// <summary>Draws it again if it is old and there is something to draw, or to wipe off.</summary>
    public void Draw()
    {
        if (rows.Failing.Count == 0 && !rows.Keys.Any && !rows.Types.Any() && _seen.Count == 0)
            return;
        if (_drawnAt != 0 && time.GetElapsedTime(_drawnAt) < Interval)
            return;
        _drawnAt = time.GetTimestamp();
        var keys = rows.Keys.All.Where(k => !k.IsReleased).ToList();
        var types = rows.Types.Where(t => t.Rows.Count > 0 || t.Probe is not null).ToList();
        Count(rows.Failing.Count, keys.Count, types.Count);
        _seen =
        [
            .. keys.Select(k => new BlockedKey("dead-letter", k.Key, k.Type, Cut(k.Reason), At(k.Since), k.Waiting.Count))
                .Concat(rows.Failing.Select(r => new BlockedKey("retrying", r.Key, r.Type, Cut(r.Reason), At(r.FirstFailedAt), r.Key is null ? 1 : 1 + rows.CountBehind(r.Key))))
                .Concat(types.Select(t => new BlockedKey("type", null, t.Type, Cut(t.Reason), At(t.Since), t.Rows.Count + (t.Probe is null ? 0 : 1))))
                .OrderByDescending(b => b.Waiting).Take(Most),
        ];
    }

    /// <summary>The drain has ended: what waits is another's now.</summary>
    public void End()
    {
        Count(0, 0, 0);
        _seen = [];
    }

    private void Count(int retrying, int deadLetters, int types)
    {
        source.State.Block(retrying - _retrying, deadLetters - _deadLetters, types - _types);
        (_retrying, _deadLetters, _types) = (retrying, deadLetters, types);
    }

    private DateTime At(long timestamp) => time.GetUtcNow().UtcDateTime - time.GetElapsedTime(timestamp);

    private static string Cut(string reason) => reason.Length <= LongestReason ? reason : reason[..LongestReason] + "…";
}

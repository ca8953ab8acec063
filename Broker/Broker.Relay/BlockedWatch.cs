namespace Broker.Relay;

/// <summary>Keeps a picture of what does not flow in one partition, for people and metrics: bounded, drawn once a second at most, and less often when there is so much that drawing takes time. One drainer draws it, anybody may look at it.</summary>
internal sealed class BlockedWatch(RelaySource source, RowQueues rows, TimeProvider time)
{
    /// <summary>Most entries of the picture: those that most rows wait for.</summary>
    public const int Most = 20;

    private const int LongestReason = 200;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A picture must not become the drainer's work: at most this part of its time.</summary>
    private const int Share = 100;

    private readonly PriorityQueue<object, long> _worst = new(Most);
    private volatile BlockedKey[] _seen = [];
    private TimeSpan _pause = Interval;
    private long _drawnAt;
    private int _retrying;
    private int _deadLetters;
    private int _types;

    /// <summary>The picture as it was drawn last.</summary>
    public IReadOnlyList<BlockedKey> Seen => _seen;

    /// <summary>Draws it again if it is old and there is something to draw, or to wipe off.</summary>
    public void Draw()
    {
        if (rows.Failing.Count == 0 && !rows.Keys.Any && !rows.Types.Any() && _seen.Length == 0)
            return;
        if (_drawnAt != 0 && time.GetElapsedTime(_drawnAt) < _pause)
            return;
        _drawnAt = time.GetTimestamp();
        var (keys, types) = (0, 0);
        // Of a hundred thousand keys nothing is made but for those that are shown.
        foreach (var key in rows.Keys.All)
        {
            if (key.IsReleased)
                continue;
            keys++;
            Offer(key, key.Waiting.Count);
        }
        foreach (var row in rows.Failing)
            Offer(row, WaitingFor(row));
        foreach (var type in rows.Types)
        {
            if (WaitingFor(type) == 0)
                continue;
            types++;
            Offer(type, WaitingFor(type));
        }
        Count(rows.Failing.Count, keys, types);
        var seen = new BlockedKey[_worst.Count];
        for (var place = seen.Length - 1; place >= 0; place--)
            seen[place] = Drawn(_worst.Dequeue());
        _seen = seen;
        var pause = time.GetElapsedTime(_drawnAt) * Share;
        _pause = pause > Interval ? pause : Interval;
    }

    /// <summary>The drain has ended: what waits is another's now.</summary>
    public void End()
    {
        Count(0, 0, 0);
        _seen = [];
    }

    private void Offer(object what, long waiting)
    {
        if (_worst.Count < Most)
            _worst.Enqueue(what, waiting);
        else if (_worst.TryPeek(out _, out var least) && waiting > least)
            _worst.DequeueEnqueue(what, waiting);
    }

    private BlockedKey Drawn(object what) => what switch
    {
        BlockedKeys.Entry key => new BlockedKey("dead-letter", key.Key, key.Type, Cut(key.Reason), At(key.Since), key.Waiting.Count),
        OutboxRow row => new BlockedKey("retrying", row.Key, row.Type, Cut(row.Reason), At(row.FirstFailedAt), WaitingFor(row)),
        BlockedType type => new BlockedKey("type", null, type.Type, Cut(type.Reason), At(type.Since), WaitingFor(type)),
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
    };

    private int WaitingFor(OutboxRow row) => row.Key is null ? 1 : 1 + rows.CountBehind(row.Key);

    private static int WaitingFor(BlockedType type) => type.Rows.Count + (type.Probe is null ? 0 : 1);

    private void Count(int retrying, int deadLetters, int types)
    {
        source.State.Block(retrying - _retrying, deadLetters - _deadLetters, types - _types);
        (_retrying, _deadLetters, _types) = (retrying, deadLetters, types);
    }

    private DateTime At(long timestamp) => time.GetUtcNow().UtcDateTime - time.GetElapsedTime(timestamp);

    private static string Cut(string reason) => reason.Length <= LongestReason ? reason : reason[..LongestReason] + "…";
}

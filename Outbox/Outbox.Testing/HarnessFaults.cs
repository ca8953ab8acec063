namespace Outbox.Testing;

/// <summary>What can go wrong between services, to be switched on by a test. A service that stands on outbox and inbox comes to the same end with all of it. Thread-safe.</summary>
/// <remarks>None of them breaks what the product promises: messages of one key stay in their order, and none is lost.</remarks>
public sealed class HarnessFaults
{
    private readonly Lock _lock = new();
    private readonly Random _random;
    private double _duplicates;
    private TimeSpan _delay;
    private int _reorder = 1;
    private int _refusals;
    private int _lostAccepts;
    private Func<Task> _drop = () => Task.CompletedTask;

    // Chance in a test that can be repeated; nothing is kept secret by it.
    internal HarnessFaults(int seed) => _random = new Random(seed);

    /// <summary>From now on each message arrives a second time, later, with this probability. 1: every message.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 0 or above 1.</exception>
    public void Duplicate(double probability)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(probability, 1);
        lock (_lock)
            _duplicates = probability;
    }

    /// <summary>From now on each delivery of a queue is held up for a random time, of at most this.</summary>
    public void Delay(TimeSpan longest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(longest, TimeSpan.Zero);
        lock (_lock)
            _delay = longest;
    }

    /// <summary>From now on messages of different keys, and those without a key, overtake each other: up to so many are shuffled. 1 ends it.</summary>
    public void Reorder(int messages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(messages, 1);
        lock (_lock)
            _reorder = messages;
    }

    /// <summary>The broker does not take the next messages that are published, as a queue without a leader would. The relay tries them again.</summary>
    public void RefusePublishes(int messages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(messages);
        lock (_lock)
            _refusals = messages;
    }

    /// <summary>The next messages that a consumer has committed and accepts are delivered once more, as after a process that died between the two.</summary>
    public void LoseAccepts(int messages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(messages);
        lock (_lock)
            _lostAccepts = messages;
    }

    /// <summary>All consumers lose their connection at once: what they have not accepted is delivered again.</summary>
    public Task DropConnectionsAsync()
    {
        Func<Task> drop;
        lock (_lock)
            drop = _drop;
        return drop();
    }

    /// <summary>Everything works again.</summary>
    public void Heal()
    {
        lock (_lock)
            (_duplicates, _delay, _reorder, _refusals, _lostAccepts) = (0, TimeSpan.Zero, 1, 0, 0);
    }

    internal void OnDrop(Func<Task> drop)
    {
        lock (_lock)
            _drop = drop;
    }

    internal bool IsDoubled()
    {
        lock (_lock)
            return _duplicates > 0 && _random.NextDouble() < _duplicates;
    }

    internal bool IsRefused()
    {
        lock (_lock)
            return _refusals > 0 && _refusals-- > 0;
    }

    internal bool IsAcceptLost()
    {
        lock (_lock)
            return _lostAccepts > 0 && _lostAccepts-- > 0;
    }

    internal TimeSpan NextDelay()
    {
        lock (_lock)
            return _delay > TimeSpan.Zero ? _delay * _random.NextDouble() : TimeSpan.Zero;
    }

    /// <summary>How many deliveries are shuffled together.</summary>
    internal int Window
    {
        get
        {
            lock (_lock)
                return _reorder;
        }
    }

    /// <summary>Shuffles so that items of one key stay in their order.</summary>
    internal List<T> Shuffle<T>(IReadOnlyList<T> items, Func<T, string?> keyOf)
    {
        var lanes = items.Select((item, i) => (Item: item, Lane: keyOf(item) ?? $"\0{i}")).GroupBy(i => i.Lane, i => i.Item, StringComparer.Ordinal).Select(lane => new Queue<T>(lane)).ToList();
        var shuffled = new List<T>(items.Count);
        lock (_lock)
        {
            while (lanes.Count > 0)
            {
                var lane = lanes[_random.Next(lanes.Count)];
                shuffled.Add(lane.Dequeue());
                if (lane.Count == 0)
                    lanes.Remove(lane);
            }
        }
        return shuffled;
    }
}

using System.Threading.Channels;

namespace Outbox.Consumers;

/// <summary>Hands out work so that items of one key run one after another, in the order in which they came, while other keys flow. Thread-safe.</summary>
/// <remarks>Each item taken must be given back once: by <see cref="Done"/>, or later by <see cref="Again"/>, during which its key's later items wait.</remarks>
internal sealed class KeyedWorkQueue<T>
    where T : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue<(string? Key, T Item)>> _behind = new(StringComparer.Ordinal);
    private readonly Channel<(string? Key, T Item)> _ready = Channel.CreateUnbounded<(string?, T)>();

    public ChannelReader<(string? Key, T Item)> Ready => _ready.Reader;

    public void Add(string? key, T item)
    {
        lock (_lock)
        {
            if (key is not null)
            {
                if (_behind.TryGetValue(key, out var queue))
                {
                    queue.Enqueue((key, item));
                    return;
                }
                _behind.Add(key, new Queue<(string?, T)>(0));
            }
            _ready.Writer.TryWrite((key, item));
        }
    }

    /// <summary>The item is finished; the next of its key may run.</summary>
    public void Done(string? key)
    {
        if (key is null)
            return;
        lock (_lock)
        {
            if (_behind[key].TryDequeue(out var next))
                _ready.Writer.TryWrite(next);
            else
                _behind.Remove(key);
        }
    }

    /// <summary>The same item is to run again, still ahead of its key's others.</summary>
    public void Again(string? key, T item) => _ready.Writer.TryWrite((key, item));

    public void Complete() => _ready.Writer.TryComplete();
}

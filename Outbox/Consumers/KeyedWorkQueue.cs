using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace Outbox.Consumers;

/// <summary>Hands out work so that items of one key run one after another, in the order in which they came, while other keys flow. Thread-safe.</summary>
/// <remarks>
/// Who takes an item owns its key until it gives it back: by <see cref="Done"/>, or later by <see cref="Again"/>, during which its key's later items wait.
/// Its owner may take the key's next items too (<see cref="TryTakeNext"/>), to run them itself one after another; the key is then given back once.
/// </remarks>
internal sealed class KeyedWorkQueue<T>
    where T : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedList<T>> _behind = new(StringComparer.Ordinal);
    private readonly Channel<(string? Key, T Item)> _ready = Channel.CreateUnbounded<(string?, T)>();

    public ChannelReader<(string? Key, T Item)> Ready => _ready.Reader;

    public void Add(string? key, T item)
    {
        lock (_lock)
        {
            if (key is not null)
            {
                if (_behind.TryGetValue(key, out var waiting))
                {
                    waiting.AddLast(item);
                    return;
                }
                _behind.Add(key, []);
            }
            _ready.Writer.TryWrite((key, item));
        }
    }

    /// <summary>Takes the next item of a key that the caller owns, if it may.</summary>
    public bool TryTakeNext(string key, [MaybeNullWhen(false)] out T item, Predicate<T>? mayTake = null)
    {
        lock (_lock)
        {
            if (_behind[key].First is { } first && mayTake?.Invoke(first.Value) != false)
            {
                item = first.Value;
                _behind[key].RemoveFirst();
                return true;
            }
        }
        item = default;
        return false;
    }

    /// <summary>Items that were taken by <see cref="TryTakeNext"/> wait again, in their order and ahead of the key's others.</summary>
    public void PutBack(string key, IReadOnlyList<T> items)
    {
        lock (_lock)
        {
            for (var i = items.Count - 1; i >= 0; i--)
                _behind[key].AddFirst(items[i]);
        }
    }

    /// <summary>The item is finished; the next of its key may run.</summary>
    public void Done(string? key)
    {
        if (key is null)
            return;
        lock (_lock)
        {
            if (_behind[key].First is { } next)
            {
                _behind[key].RemoveFirst();
                _ready.Writer.TryWrite((key, next.Value));
            }
            else
            {
                _behind.Remove(key);
            }
        }
    }

    /// <summary>The same item is to run again, still ahead of its key's others.</summary>
    public void Again(string? key, T item) => _ready.Writer.TryWrite((key, item));

    public void Complete() => _ready.Writer.TryComplete();
}

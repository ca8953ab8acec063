using Outbox.Messages;

namespace Outbox.Transport;

internal sealed record InMemoryMessage(string Exchange, Envelope Envelope, byte[] Body);

/// <summary>A queue with its ready and its unaccepted messages, each in the order of arrival.</summary>
internal sealed class InMemoryQueue(string name, Action<InMemoryMessage> deadLetter)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<long, (InMemoryMessage Message, bool Redelivered)> _ready = [];
    private readonly Dictionary<long, InMemoryMessage> _unaccepted = [];
    private readonly List<object> _consumers = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _last;

    public string Name => name;

    public int Count
    {
        get
        {
            lock (_lock)
                return _ready.Count + _unaccepted.Count;
        }
    }

    public void Add(InMemoryMessage message)
    {
        lock (_lock)
        {
            _ready.Add(++_last, (message, false));
            Changed();
        }
    }

    public void Join(object consumer)
    {
        lock (_lock)
            _consumers.Add(consumer);
    }

    public void Leave(object consumer)
    {
        lock (_lock)
        {
            _consumers.Remove(consumer);
            Changed();
        }
    }

    /// <summary>Takes the next message, or tells what to wait for.</summary>
    public bool TryTake(object consumer, bool singleActive, out long number, out InMemoryMessage message, out bool redelivered, out Task changed)
    {
        lock (_lock)
        {
            changed = _changed.Task;
            (number, message, redelivered) = (0, null!, false);
            if (_ready.Count == 0 || (singleActive && _consumers[0] != consumer))
                return false;
            var (first, entry) = _ready.First();
            _ready.Remove(first);
            _unaccepted.Add(first, entry.Message);
            (number, message, redelivered) = (first, entry.Message, entry.Redelivered);
            return true;
        }
    }

    public void Accept(long number)
    {
        lock (_lock)
            _unaccepted.Remove(number);
    }

    public void Requeue(long number)
    {
        lock (_lock)
        {
            // Back to its old place, as a quorum queue does where it can.
            if (_unaccepted.Remove(number, out var message))
                _ready.Add(number, (message, true));
            Changed();
        }
    }

    public void Reject(long number)
    {
        InMemoryMessage? message;
        lock (_lock)
            _unaccepted.Remove(number, out message);
        if (message is not null)
            deadLetter(message);
    }

    private void Changed()
    {
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}

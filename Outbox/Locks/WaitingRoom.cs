namespace Outbox.Locks;

/// <summary>Those of one process who wait for locks: for each name one of them asks, the others wait behind, so that a thousand who wait here ask no more than one.</summary>
internal sealed class WaitingRoom
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue> _queues = new(StringComparer.Ordinal);

    /// <summary>Waits until this one is the one who asks.</summary>
    public async Task<Place> EnterAsync(string name, CancellationToken cancellationToken)
    {
        Queue? queue;
        lock (_lock)
        {
            if (!_queues.TryGetValue(name, out queue))
                _queues.Add(name, queue = new Queue());
            queue.Count++;
        }
        try
        {
            await queue.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Leave(name, queue);
            throw;
        }
        return new Place(this, name, queue);
    }

    /// <summary>The lock may be free.</summary>
    public void Wake(string name)
    {
        lock (_lock)
        {
            if (_queues.TryGetValue(name, out var queue))
                queue.Wake();
        }
    }

    private void Leave(string name, Queue queue)
    {
        lock (_lock)
        {
            if (--queue.Count == 0)
                _queues.Remove(name);
        }
    }

    internal sealed class Queue
    {
        private TaskCompletionSource _released = NewSignal();

        public SemaphoreSlim Turn { get; } = new(1, 1);

        public int Count { get; set; }

        public void Wake() => Volatile.Read(ref _released).TrySetResult();

        /// <summary>Completes at the next <see cref="Wake"/>. Taken before one looks, so that none is missed.</summary>
        public Task Next()
        {
            if (_released.Task.IsCompleted)
                Interlocked.Exchange(ref _released, NewSignal());
            return _released.Task;
        }

        private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>The place of the one who asks.</summary>
    internal sealed class Place(WaitingRoom room, string name, Queue queue) : IDisposable
    {
        public void Wake() => queue.Wake();

        public Task Next() => queue.Next();

        public void Dispose()
        {
            queue.Turn.Release();
            room.Leave(name, queue);
        }
    }
}

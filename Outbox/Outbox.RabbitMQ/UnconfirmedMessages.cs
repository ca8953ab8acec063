namespace Outbox.RabbitMQ;

/// <summary>The messages of one channel that wait for their answer, by delivery tag: a ring without an object or a hash for each of them. Not thread-safe.</summary>
internal sealed class UnconfirmedMessages
{
    private Message[] _ring = new Message[2_048];
    private ulong _last;

    /// <summary>A message on its way.</summary>
    internal struct Message
    {
        public bool IsWaiting;
        public long Ticket;
        public Guid MessageId;
        public string Type;
        public string? Returned;
    }

    public int Count { get; private set; }

    /// <summary>Every tag below it has been answered.</summary>
    public ulong Lowest { get; private set; } = 1;

    /// <summary>Remembers the next message and gives its delivery tag.</summary>
    public ulong Add(long ticket, Guid messageId, string type)
    {
        var tag = ++_last;
        // One message whose queue is silent must not stop those behind it, so the ring grows with the distance to it.
        if (tag - Lowest >= (ulong)_ring.Length)
            Grow();
        _ring[Place(tag)] = new Message { IsWaiting = true, Ticket = ticket, MessageId = messageId, Type = type };
        Count++;
        return tag;
    }

    /// <summary>Takes a message out; false if it is not, or no longer, there.</summary>
    public bool Remove(ulong tag, out Message message)
    {
        message = default;
        if (tag < Lowest || tag > _last)
            return false;
        ref var place = ref _ring[Place(tag)];
        if (!place.IsWaiting)
            return false;
        message = place;
        place = default;
        Count--;
        while (Lowest <= _last && !_ring[Place(Lowest)].IsWaiting)
            Lowest++;
        return true;
    }

    /// <summary>Marks a message as returned. A return carries no tag; messages of one id and one type are routed alike, so which of them is meant does not matter.</summary>
    public void Return(Guid messageId, string type, string reason)
    {
        for (var tag = Lowest; tag <= _last; tag++)
        {
            ref var message = ref _ring[Place(tag)];
            if (!message.IsWaiting || message.Returned is not null || message.MessageId != messageId || message.Type != type)
                continue;
            message.Returned = reason;
            return;
        }
    }

    /// <summary>Forgets all messages and gives their tickets, in the order in which they were added.</summary>
    public IReadOnlyList<long> Clear()
    {
        var tickets = new List<long>(Count);
        for (var tag = Lowest; tag <= _last; tag++)
        {
            if (_ring[Place(tag)] is { IsWaiting: true } message)
                tickets.Add(message.Ticket);
        }
        Array.Clear(_ring);
        (Count, Lowest) = (0, _last + 1);
        return tickets;
    }

    private int Place(ulong tag) => (int)(tag & (ulong)(_ring.Length - 1));

    private void Grow()
    {
        var old = _ring;
        _ring = new Message[old.Length * 2];
        for (var tag = Lowest; tag < _last; tag++)
            _ring[Place(tag)] = old[(int)(tag & (ulong)(old.Length - 1))];
    }
}

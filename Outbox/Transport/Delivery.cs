namespace Outbox.Transport;

/// <summary>A message as it arrived, with nothing taken for granted: it may come from any program in any language.</summary>
/// <remarks>Call exactly one of <see cref="AcceptAsync"/>, <see cref="RequeueAsync"/> and <see cref="RejectAsync"/>. On a channel that was lost meanwhile they do nothing: the broker delivers the message again by itself.</remarks>
public abstract class Delivery
{
    internal Delivery()
    {
    }

    /// <summary>The id that the sender gave, or <see langword="null"/>.</summary>
    public string? MessageId { get; init; }

    /// <summary>The type that the sender gave, or <see langword="null"/>.</summary>
    public string? Type { get; init; }

    /// <summary>The content type that the sender gave, or <see langword="null"/>.</summary>
    public string? ContentType { get; init; }

    /// <summary>The headers whose values are text or numbers, as text.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = Messages.Envelope.NoHeaders;

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The exchange that it was published to.</summary>
    public string Exchange { get; init; } = "";

    /// <summary>The key it was routed by.</summary>
    public string RoutingKey { get; init; } = "";

    /// <summary>Whether the broker may have delivered it before.</summary>
    public bool Redelivered { get; init; }

    /// <summary>Whether its channel was lost meanwhile, so that the broker delivers the message again, here or elsewhere.</summary>
    public virtual bool IsLost => false;

    /// <summary>Removes the message from the queue: it took effect, or is kept elsewhere.</summary>
    public abstract ValueTask AcceptAsync();

    /// <summary>Accepts many deliveries with as few words as the transport needs.</summary>
    /// <param name="deliveries">This one and others of the same subscription.</param>
    internal virtual async ValueTask AcceptTogetherAsync(IReadOnlyList<Delivery> deliveries)
    {
        foreach (var delivery in deliveries)
            await delivery.AcceptAsync().ConfigureAwait(false);
    }

    /// <summary>Puts the message back into its queue to be delivered again.</summary>
    public abstract ValueTask RequeueAsync();

    /// <summary>Moves the message to the queue's dead-letter queue, <c>&lt;queue&gt;.dead</c>.</summary>
    public abstract ValueTask RejectAsync();
}

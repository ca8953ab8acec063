namespace Outbox.Transport;

/// <summary>Settings of one publishing channel.</summary>
public sealed record PublishChannelOptions
{
    /// <summary>The exchange to publish to.</summary>
    /// <value>Default: <c>events</c>.</value>
    public string Exchange { get; init; } = OutboxOptions.DefaultExchange;

    /// <summary>A queue to publish to directly, whatever the types and the bindings; then <see cref="Exchange"/> plays no part. The queue must be there.</summary>
    /// <value>Default: <see langword="null"/>, publish to the exchange.</value>
    public string? Queue { get; init; }

    /// <summary>Most messages on their way without an answer.</summary>
    /// <value>Default: 1,024.</value>
    /// <remarks>Measured on a quorum queue: 128 gives 0.8 of the rate, 10,000 only 1.1 of it, and more is repeated after a crash.</remarks>
    public int Window { get; init; } = 1_024;
}

namespace Outbox.Receipts;

/// <summary>What a consumer tells everybody who wants to know: that it lives, and what it handles. Always JSON.</summary>
/// <param name="Consumer">Its name.</param>
/// <param name="Exchange">The exchange that its queue is bound to.</param>
/// <param name="Types">The message types that it handles.</param>
internal sealed record ConsumerAnnouncement(string Consumer, string Exchange, IReadOnlyList<string> Types)
{
    /// <summary>Its name on the wire.</summary>
    public const string Type = "outbox.consumer.v1";

    /// <summary>An exchange of its own: nobody's queue of events gets these.</summary>
    public const string ViaExchange = "outbox.consumers";
}

using System.Diagnostics.Metrics;

namespace Outbox.Diagnostics;

/// <summary>The library's meter, named <c>Outbox</c>. Instruments are shared by the process; tags tell consumers and sources apart.</summary>
internal static class OutboxMetrics
{
    public const string MeterName = "Outbox";

    private static readonly Meter Meter = new(MeterName);

    public static readonly Counter<long> Applied = Meter.CreateCounter<long>("outbox.inbox.applied", "{message}", "Messages whose effects were committed.");
    public static readonly Counter<long> Duplicates = Meter.CreateCounter<long>("outbox.inbox.duplicates", "{message}", "Deliveries that changed nothing because their message was already applied.");
    public static readonly Counter<long> Failures = Meter.CreateCounter<long>("outbox.consumer.failures", "{attempt}", "Attempts of handlers that failed.");
    public static readonly Counter<long> DeadLetters = Meter.CreateCounter<long>("outbox.dead_letters", "{message}", "Messages set aside with a reason.");
    public static readonly Counter<long> Published = Meter.CreateCounter<long>("outbox.relay.published", "{message}", "Messages that the broker confirmed.");
    public static readonly Counter<long> Settled = Meter.CreateCounter<long>("outbox.relay.settled", "{message}", "Rows deleted after their confirm.");
    public static readonly Counter<long> NotConfirmed = Meter.CreateCounter<long>("outbox.relay.not_confirmed", "{message}", "Messages that the broker returned, refused or did not answer for, by outcome.");
    public static readonly Counter<long> Expired = Meter.CreateCounter<long>("outbox.relay.expired", "{message}", "Rows that were not published because their time had passed.");
    public static readonly Counter<long> Scheduled = Meter.CreateCounter<long>("outbox.relay.scheduled", "{message}", "Rows moved aside because they are due later.");
    public static readonly Counter<long> Returned = Meter.CreateCounter<long>("outbox.relay.returned", "{message}", "Scheduled rows moved back because they are due.");
    public static readonly UpDownCounter<long> BlockedKeys = Meter.CreateUpDownCounter<long>("outbox.relay.blocked_keys", "{key}", "Keys that wait now: because a row of theirs is tried again, or because of a dead letter.");
    public static readonly UpDownCounter<long> BlockedTypes = Meter.CreateUpDownCounter<long>("outbox.relay.blocked_types", "{type}", "Message types that cannot be published now.");
    public static readonly Counter<long> RefusedSettles = Meter.CreateCounter<long>("outbox.relay.refused_settles", "{batch}", "Deletes that found the lease in other hands.");
}

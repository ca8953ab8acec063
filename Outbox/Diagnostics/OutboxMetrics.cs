using System.Diagnostics.Metrics;

namespace Outbox.Diagnostics;

/// <summary>The library's meter, named <c>Outbox</c>. Instruments are shared by the process; tags tell consumers and sources apart. docs/telemetry.md is their table.</summary>
/// <remarks>Names that begin with <c>messaging.</c> are OpenTelemetry's, with its meaning, unit and buckets. What is counted for each message is added up and told once for many.</remarks>
internal static class OutboxMetrics
{
    public const string MeterName = "Outbox";

    /// <summary>The tag of a failed operation, by OpenTelemetry's conventions.</summary>
    public const string ErrorType = "error.type";

    internal static readonly Meter Meter = new(MeterName);

    /// <summary>What OpenTelemetry's conventions for messaging advise.</summary>
    private static readonly InstrumentAdvice<double> Durations = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] };

    private static readonly InstrumentAdvice<double> Statements = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] };
    private static readonly InstrumentAdvice<double> Lags = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400] };
    private static readonly InstrumentAdvice<int> Sizes = new() { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000] };

    // ── The relay ───────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> Published = Meter.CreateCounter<long>("outbox.relay.published", "{message}", "Messages that the broker confirmed.");
    public static readonly Counter<long> Settled = Meter.CreateCounter<long>("outbox.relay.settled", "{message}", "Rows deleted after their confirm.");
    public static readonly Counter<long> NotConfirmed = Meter.CreateCounter<long>("outbox.relay.not_confirmed", "{message}", "Messages that the broker returned, refused or did not answer for, by outcome.");
    public static readonly Counter<long> Retries = Meter.CreateCounter<long>("outbox.relay.retries", "{message}", "Messages that were not confirmed and are tried again.");
    public static readonly Counter<long> Expired = Meter.CreateCounter<long>("outbox.relay.expired", "{message}", "Rows that were not published because their time had passed.");
    public static readonly Counter<long> Scheduled = Meter.CreateCounter<long>("outbox.relay.scheduled", "{message}", "Rows moved aside because they are due later.");
    public static readonly Counter<long> CameDue = Meter.CreateCounter<long>("outbox.relay.came_due", "{message}", "Scheduled rows moved back because they are due.");
    public static readonly Counter<long> RefusedSettles = Meter.CreateCounter<long>("outbox.relay.refused_settles", "{batch}", "Deletes that found the lease in other hands.");
    public static readonly Counter<long> LeaseChanges = Meter.CreateCounter<long>("outbox.relay.lease_changes", "{lease}", "Leases of partitions that were taken, released or lost.");
    public static readonly Counter<long> Errors = Meter.CreateCounter<long>("outbox.relay.errors", "{error}", "What kept a relay from its work, by its kind.");
    public static readonly Histogram<int> RelayBatchSize = Meter.CreateHistogram("outbox.relay.batch.size", "{message}", "Rows of one read, one send or one delete.", tags: null, Sizes);
    public static readonly Histogram<double> PublishDuration = Meter.CreateHistogram("outbox.relay.publish.duration", "s", "Handing a batch to the broker: it grows when the window is full or the broker blocks publishers.", tags: null, Durations);
    public static readonly Histogram<double> DatabaseDuration = Meter.CreateHistogram("outbox.relay.database.duration", "s", "Statements of the relay: reads, deletes and beats.", tags: null, Statements);

    // ── The doorbell ────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> DoorbellRung = Meter.CreateCounter<long>("outbox.doorbell.rung", "{ring}", "Rings that were sent to the relays of a source.");
    public static readonly Counter<long> DoorbellHeard = Meter.CreateCounter<long>("outbox.doorbell.heard", "{ring}", "Rings that reached a relay.");
    public static readonly Counter<long> DoorbellDropped = Meter.CreateCounter<long>("outbox.doorbell.dropped", "{ring}", "Rings that were not sent because the broker was away or refused them.");

    // ── Consumers ───────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> Applied = Meter.CreateCounter<long>("outbox.inbox.applied", "{message}", "Messages whose effects were committed.");
    public static readonly Counter<long> Duplicates = Meter.CreateCounter<long>("outbox.inbox.duplicates", "{message}", "Deliveries that changed nothing because their message was already applied.");
    public static readonly Counter<long> Failures = Meter.CreateCounter<long>("outbox.consumer.failures", "{attempt}", "Attempts of handlers that failed.");
    public static readonly Counter<long> Deferred = Meter.CreateCounter<long>("outbox.consumer.deferred", "{message}", "Messages put off: because they failed, or because an earlier one of their key did.");
    public static readonly Histogram<double> ConsumerLag = Meter.CreateHistogram("outbox.consumer.lag", "s", "From the row's time in the source's database to the commit of its effects, by the consumer's clock.", tags: null, Lags);
    public static readonly Histogram<int> ConsumerBatchSize = Meter.CreateHistogram("outbox.consumer.batch.size", "{message}", "Messages of one transaction.", tags: null, Sizes);

    // ── Sagas ───────────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> SagaStarted = Meter.CreateCounter<long>("outbox.saga.started", "{saga}", "Sagas that were begun.");
    public static readonly Counter<long> SagaEnded = Meter.CreateCounter<long>("outbox.saga.ended", "{saga}", "Sagas that have ended, by how.");
    public static readonly Counter<long> SagaSteps = Meter.CreateCounter<long>("outbox.saga.steps", "{event}", "What happened to steps: sent, done, refused, failed, timed out, parked, retried, given up.");
    public static readonly Counter<long> SagaStale = Meter.CreateCounter<long>("outbox.saga.stale", "{message}", "Messages that changed nothing: late, out of turn, or of no saga.");

    // ── Transactions over several databases ─────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> Transactions = Meter.CreateCounter<long>("outbox.two_phase.transactions", "{transaction}", "Transactions over several databases that have ended, by how.");
    public static readonly Histogram<double> TransactionDuration = Meter.CreateHistogram("outbox.two_phase.duration", "s", "From the beginning of a transaction to its end, for as long as its rows are locked.", tags: null, Durations);
    public static readonly Counter<long> BranchesRecovered = Meter.CreateCounter<long>("outbox.two_phase.branches.recovered", "{branch}", "Prepared branches that recovery has finished, because their coordinator had not.");
    public static readonly Counter<long> HeuristicOutcomes = Meter.CreateCounter<long>("outbox.two_phase.heuristic", "{transaction}", "Transactions of which a branch was found on the other side of the decision.");

    // ── Locks ───────────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> LocksAcquired = Meter.CreateCounter<long>("outbox.locks.acquired", "{lock}", "Locks that were taken.");
    public static readonly Counter<long> LocksRefused = Meter.CreateCounter<long>("outbox.locks.refused", "{lock}", "Locks that were not taken because another held them, at once or until the wait was over.");
    public static readonly Counter<long> LocksLost = Meter.CreateCounter<long>("outbox.locks.lost", "{lock}", "Locks that this process held and lost before it gave them up.");
    public static readonly UpDownCounter<long> LocksHeld = Meter.CreateUpDownCounter<long>("outbox.locks.held", "{lock}", "Locks that this process holds.");
    public static readonly Histogram<double> LockWait = Meter.CreateHistogram("outbox.locks.wait.duration", "s", "From asking for a lock to having it, or to the end of the wait.", tags: null, Lags);

    // ── Both ────────────────────────────────────────────────────────────────────────────────────────────────────

    public static readonly Counter<long> DeadLetters = Meter.CreateCounter<long>("outbox.dead_letters", "{message}", "Messages set aside with a reason.");
    public static readonly Histogram<double> OperationDuration = Meter.CreateHistogram("messaging.client.operation.duration", "s", "From handing a message to the broker to its answer: measured with the last message of each batch.", tags: null, Durations);
    public static readonly Histogram<double> ProcessDuration = Meter.CreateHistogram("messaging.process.duration", "s", "The handler, and saving what it changed.", tags: null, Durations);
    public static readonly Counter<long> Sent = Meter.CreateCounter<long>("messaging.client.sent.messages", "{message}", "Messages that the broker answered for, or never did.");
    public static readonly Counter<long> Consumed = Meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}", "Deliveries that reached a consumer.");
}

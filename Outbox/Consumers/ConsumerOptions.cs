using System.ComponentModel.DataAnnotations;

namespace Outbox.Consumers;

/// <summary>Settings of one consumer.</summary>
public sealed class ConsumerOptions
{
    internal const int MaxBatchSize = 2_000;

    private const int ManyAtOnce = 500;

    private const int ForSingles = 256;

    private static readonly TimeSpan MaxGapTimeout = TimeSpan.FromDays(20);

    private static readonly TimeSpan MaxLinger = TimeSpan.FromMinutes(1);

    private int? _prefetch;
    private int? _batchSize;

    /// <summary>Name of the consumer; part of the inbox's key.</summary>
    [Required, StringLength(100, MinimumLength = 1)]
    [RegularExpression("^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$", ErrorMessage = "A consumer's name is letters and digits, with single dots, hyphens or underscores between them.")]
    public string Name { get; internal set; } = "";

    /// <summary>The queue it reads.</summary>
    /// <value>Default: the consumer's name.</value>
    [Required, StringLength(200, MinimumLength = 1)]
    public string Queue { get; set; } = "";

    /// <summary>The exchange that the queue is bound to.</summary>
    /// <value>Default: the outbox's own, <see cref="OutboxOptions.Exchange"/>.</value>
    [Required, StringLength(100, MinimumLength = 1)]
    public string Exchange { get; set; } = "";

    /// <summary>How many messages are handled at the same time. Messages of one partition key never are, unless <see cref="KeepOrder"/> is off.</summary>
    /// <value>Default: 1.</value>
    [Range(1, 256)]
    public int Concurrency { get; set; } = 1;

    /// <summary>Whether messages of one partition key are handled in their order, over all processes of the service: one process is active at a time and the others stand by.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    /// <remarks>Off lets all processes share the work, in any order.</remarks>
    public bool KeepOrder { get; set; } = true;

    /// <summary>The number of queues that the consumer's messages are spread over by partition key, so that several processes work at once, each on the keys of its queues. The processes share the queues evenly.</summary>
    /// <value>Default: 1, one queue and one active process. At most 64; a power of two spreads evenly.</value>
    /// <remarks>Needs <see cref="KeepOrder"/>. All processes must have the same number; one that has another waits and says why. How to change it is described in docs/operations.md. Take a multiple of the most processes that you expect.</remarks>
    [Range(1, Transport.PartitionSlot.Count)]
    public int Partitions { get; set; } = 1;

    /// <summary>Most deliveries held at once, those being handled included.</summary>
    /// <value>Default: 256; with batches, one for each that is handled at once and one more, if that is more.</value>
    /// <remarks>Measured: 100 is 19 times faster than 1; more costs memory and is delivered again after a crash.</remarks>
    [Range(1, ushort.MaxValue)]
    public int Prefetch { get => _prefetch ?? (BatchSize == 1 ? ForSingles : Math.Clamp(BatchSize * (Concurrency + 1), ForSingles, ushort.MaxValue)); set => _prefetch = value; }

    /// <summary>Most messages whose effects are committed in one transaction. 1: each has its own.</summary>
    /// <value>Default: 1; 500 for a consumer with a batch handler.</value>
    /// <remarks>A batch is what has arrived, up to this size: a lone message waits for no other, unless <see cref="Linger"/> says so. With several handled at once, each of them works on a batch of its own.</remarks>
    [Range(1, MaxBatchSize)]
    public int BatchSize { get => _batchSize ?? 1; set => _batchSize = value; }

    /// <summary>How long a batch that is not full waits for further messages. Fewer transactions for a trickle of messages, at the price of their latency.</summary>
    /// <value>Default: zero. At most a minute.</value>
    public TimeSpan Linger { get; set; }

    /// <summary>Whether a message of a type that this consumer has no handler for is accepted and forgotten. Otherwise it becomes a dead letter.</summary>
    /// <value>Default: <see langword="false"/>. The queue is bound to the handled types only, so others come from bindings of somebody else's.</value>
    public bool IgnoreUnknownTypes { get; set; }

    /// <summary>What becomes of the later messages of a key, with <see cref="KeepOrder"/>, when one of them has failed <see cref="MaxAttempts"/> times.</summary>
    /// <value>Default: <see cref="DeadLetterPolicy.BlockKey"/>: they wait in <c>deferred_messages</c> until an operator has redriven or discarded the dead letter.</value>
    /// <remarks>A message that its handler rejects, or that cannot be read, blocks nothing: there is nothing to wait for.</remarks>
    public DeadLetterPolicy OnDeadLetter { get; set; } = DeadLetterPolicy.BlockKey;

    /// <summary>How often a message whose handler fails is tried before it becomes a dead letter. An outage of the database does not count.</summary>
    /// <value>Default: 5.</value>
    [Range(1, 1_000)]
    public int MaxAttempts { get; set; } = 5;

    /// <summary>The wait after the first failed attempt; it doubles with each further one, up to <see cref="MaxRetryDelay"/>, with a jitter of a fifth.</summary>
    /// <remarks>The message waits in <c>deferred_messages</c>, so it is not lost with the process or the broker. With <see cref="KeepOrder"/> later messages of its key join it there; others do not wait.</remarks>
    /// <value>Default: 200 milliseconds.</value>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait between two attempts.</summary>
    /// <value>Default: 30 seconds.</value>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the inbox remembers an applied message; a copy that arrives later would be applied again.</summary>
    /// <value>Default: 7 days.</value>
    /// <remarks>Consumers that share a database are best given the same: the one that forgets first has to look past what the others keep.</remarks>
    public TimeSpan InboxRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long calls of sagas are remembered: longer than a saga can last, parked ones included. A compensation whose action is forgotten undoes nothing.</summary>
    /// <value>Default: 90 days.</value>
    /// <remarks>They are rows of <c>inbox_messages</c> too, one for each call beside that of the message, and only consumers that sagas send commands to have any.</remarks>
    public TimeSpan CallRetention { get; set; } = TimeSpan.FromDays(90);

    /// <summary>Whether messages that carry a key's own sequence (<see cref="MessageOptions.KeySequence"/>) are told by it: 1, 2, 3 … without a gap. Each takes effect once and after the one before it, whatever the order of arrival.</summary>
    /// <value>Default: <see langword="false"/>. Messages without a number are told by their ids as ever.</value>
    /// <remarks>One row in <c>inbox_keys</c> for each key takes the place of one row for each message, and no copy is ever too late to be known. A message whose predecessor has not come waits in <c>deferred_messages</c>, where the gap shows.</remarks>
    public bool ByKeySequence { get; set; }

    /// <summary>With <see cref="ByKeySequence"/>, how long a message waits for a number that has not come before it becomes a dead letter.</summary>
    /// <value>Default: <see langword="null"/>, for ever; the gap is visible meanwhile.</value>
    /// <remarks>A redrive of that dead letter then goes on without the missing numbers, a discard goes on after it. A number that comes later than that becomes a dead letter itself. The numbers of a message that has failed, or is a dead letter, are not missing.</remarks>
    public TimeSpan? GapTimeout { get; set; }

    /// <summary>With <see cref="ByKeySequence"/>, where a key begins that the consumer has not met before.</summary>
    /// <value>Default: <see cref="KeySequenceStart.One"/>.</value>
    public KeySequenceStart KeySequenceStart { get; set; }

    /// <summary>Reads the bodies, if not the outbox's own serializer does.</summary>
    internal Messages.IMessageSerializer? Serializer { get; set; }

    /// <summary>Whether publishers are told of it.</summary>
    internal bool Announces { get; set; } = true;

    /// <summary>With nothing known to be due: what another process has left, or an operator has put back, is found after this.</summary>
    internal TimeSpan RetryLook { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a process that has died keeps its share of the queues from the others.</summary>
    internal TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Called after each commit of effects. Must return at once and not throw.</summary>
    internal Action? Committed { get; set; }

    /// <summary>There is a handler for many messages at once, so batches are wanted.</summary>
    internal void PreferBatches() => _batchSize ??= ManyAtOnce;

    /// <summary>The number that a message is told by; null: by its id.</summary>
    internal long? NumberOf(IncomingMessage incoming) => ByKeySequence && incoming is { OrderKey: not null, KeySequence: > 0 and var number } ? number : null;

    /// <summary>The key whose messages are handled one after another in this process.</summary>
    internal string? QueueKeyOf(IncomingMessage incoming) => KeepOrder || NumberOf(incoming) is not null ? incoming.OrderKey : null;

    /// <summary>The key whose messages are handled in the order of their arrival; null for one that goes by its number.</summary>
    internal string? OrderKeyOf(IncomingMessage incoming) => KeepOrder && NumberOf(incoming) is null ? incoming.OrderKey : null;

    /// <summary>The key in which a deferred message has a place that others may wait behind, whatever it goes by itself.</summary>
    internal string? PlaceKeyOf(IncomingMessage incoming) => KeepOrder ? incoming.OrderKey : null;

    internal void Validate()
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true);
        if (RetryDelay <= TimeSpan.Zero || MaxRetryDelay < RetryDelay)
            results.Add(new ValidationResult($"RetryDelay ({RetryDelay}) must be positive and not above MaxRetryDelay ({MaxRetryDelay})."));
        if (Partitions > 1 && !KeepOrder)
            results.Add(new ValidationResult($"Partitions ({Partitions}) keep the order of keys over several processes, and KeepOrder is off. Use InOrderPerKey, or leave Partitions at 1: in any order all processes share one queue."));
        if (Prefetch < BatchSize)
            results.Add(new ValidationResult($"Prefetch ({Prefetch}) must not be below BatchSize ({BatchSize}): a batch could never be full."));
        if (Linger < TimeSpan.Zero || Linger > MaxLinger)
            results.Add(new ValidationResult($"Linger ({Linger}) must be between zero and a minute."));
        if (GapTimeout is { } timeout && (timeout <= TimeSpan.Zero || timeout > MaxGapTimeout))
            results.Add(new ValidationResult($"GapTimeout ({timeout}) must be positive and not above {MaxGapTimeout.Days} days; leave it out to wait for ever."));
        if (GapTimeout is not null && !ByKeySequence)
            results.Add(new ValidationResult($"GapTimeout ({GapTimeout}) is about missing numbers, and ByKeySequence is off. Use ByKeySequence, or leave GapTimeout out."));
        if (InboxRetention < TimeSpan.FromMinutes(1))
            results.Add(new ValidationResult($"InboxRetention is {InboxRetention}; at least a minute is needed, and days are advised."));
        if (CallRetention < InboxRetention)
            results.Add(new ValidationResult($"CallRetention ({CallRetention}) must not be below InboxRetention ({InboxRetention}): sagas last longer than the way of a message."));
        if (results.Count > 0)
            throw new OutboxConfigurationException($"Consumer '{Name}': {string.Join(" ", results.Select(r => r.ErrorMessage))}");
    }
}

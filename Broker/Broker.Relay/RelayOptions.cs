using System.ComponentModel.DataAnnotations;
using Outbox;

namespace Broker.Relay;

/// <summary>Settings of the relay of one source.</summary>
public sealed class RelayOptions
{
    /// <summary>Rows read at once.</summary>
    /// <value>Default: 1,000.</value>
    [Range(1, 10_000)]
    public int BatchSize { get; set; } = 1_000;

    /// <summary>Most messages on their way to the broker without an answer.</summary>
    /// <value>Default: 2,048.</value>
    /// <remarks>Half as many cost a tenth of the rate, twice as many gain nothing. After a crash up to so many are published once more.</remarks>
    [Range(1, 100_000)]
    public int Window { get; set; } = 2_048;

    /// <summary>Most rows held with their bodies: read ahead, on their way, or waiting behind their key.</summary>
    /// <value>Default: 4,000, and at most 64 MiB of bodies.</value>
    [Range(1, 1_000_000)]
    public int ReadAhead { get; set; } = 4_000;

    /// <summary>Most rows remembered without their bodies because they cannot be published now. When so many wait, reading stops until some of them can.</summary>
    /// <value>Default: 100,000.</value>
    [Range(1, 10_000_000)]
    public int MaxWaitingRows { get; set; } = 100_000;

    /// <summary>How long a relay owns a partition without renewing. After a crash another relay takes over at most this long (and a second) later.</summary>
    /// <value>Default: 10 seconds.</value>
    /// <remarks>Longer means fewer renewals and more patience with pauses of the process or the database; shorter means a faster takeover. Safety does not depend on it.</remarks>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Most connections to the source's database, besides the one of the leases. The drainers of all its partitions share them; an idle source closes them.</summary>
    /// <value>Default: 8.</value>
    [Range(2, 1_000)]
    public int MaxConnections { get; set; } = 8;

    /// <summary>About how often all relays of an idle outbox together look into it, rather less: five relays look every six seconds each, in turn.</summary>
    /// <value>Default: 1 second. Commits of the same process wake the relay at once.</value>
    /// <remarks>Each relay also renews its leases before two thirds of <see cref="LeaseDuration"/> are over, and looks as it does so.</remarks>
    public TimeSpan IdlePoll { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The wait after the first failure to publish a message; it doubles up to <see cref="MaxRetryDelay"/>, with a jitter of a fifth.</summary>
    /// <value>Default: 500 milliseconds.</value>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait before a message that could not be published is tried again.</summary>
    /// <value>Default: 15 seconds.</value>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How often a message that itself cannot be published (unreadable, refused, too large) is tried before it is set aside as a dead letter.</summary>
    /// <value>Default: 10, which takes about 75 seconds with the default delays.</value>
    /// <remarks>Counted in memory: another relay that takes over begins anew. Outages, nacks and lost answers count nothing.</remarks>
    [Range(1, 1_000_000)]
    public int MaxAttempts { get; set; } = 10;

    /// <summary>How long the broker must say without a break that no queue is bound for a message's type, before the message is set aside as a dead letter.</summary>
    /// <value>Default: 1 hour.</value>
    /// <remarks>
    /// Long on purpose: a queue that is missing during a deployment must not turn a backlog into dead letters. Each message waits for so long itself, those that come later too.
    /// The time of an outage does not count, and another relay that takes over begins anew.
    /// </remarks>
    public TimeSpan UnroutableTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>What becomes of the later messages of a key, when one of them was set aside as a dead letter.</summary>
    /// <value>Default: <see cref="DeadLetterPolicy.BlockKey"/>, because a key asks for order.</value>
    public DeadLetterPolicy OnDeadLetter { get; set; } = DeadLetterPolicy.BlockKey;

    /// <summary>Message types for which <see cref="OnDeadLetter"/> is another.</summary>
    /// <value>Default: none.</value>
    public IDictionary<string, DeadLetterPolicy> OnDeadLetterByType { get; } = new Dictionary<string, DeadLetterPolicy>(StringComparer.Ordinal);

    /// <summary>What becomes of messages whose <c>expires_at</c> has passed. They are counted either way.</summary>
    /// <value>Default: <see cref="ExpiredPolicy.Drop"/>.</value>
    public ExpiredPolicy OnExpired { get; set; } = ExpiredPolicy.Drop;

    /// <summary>Whether published rows are moved to <c>outbox_archive</c> instead of being deleted.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    /// <remarks>The archive answers "was it published, and when?" and lets events be published again. It costs a second write for each row, and the space for <see cref="ArchiveRetention"/>.</remarks>
    public bool Archive { get; set; }

    /// <summary>How long archived rows are kept.</summary>
    /// <value>Default: 7 days.</value>
    public TimeSpan ArchiveRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long a stopping relay waits for the answers to what it has sent.</summary>
    /// <value>Default: 5 seconds.</value>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the oldest row may wait while nothing is published, before the relay's health says that it is stuck.</summary>
    /// <value>Default: 1 minute.</value>
    /// <remarks>It changes what is told, not what is done. With the backlog read every ten seconds, less than that says nothing more.</remarks>
    public TimeSpan StuckAfter { get; set; } = TimeSpan.FromMinutes(1);

    internal DeadLetterPolicy PolicyOf(string type) => OnDeadLetterByType.Count > 0 && OnDeadLetterByType.TryGetValue(type, out var policy) ? policy : OnDeadLetter;

    internal void Validate(string source)
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true);
        if (LeaseDuration < TimeSpan.FromSeconds(1))
            results.Add(new ValidationResult($"LeaseDuration is {LeaseDuration}; at least one second is needed."));
        if (MaxWaitingRows < ReadAhead)
            results.Add(new ValidationResult($"MaxWaitingRows ({MaxWaitingRows}) must not be below ReadAhead ({ReadAhead})."));
        if (IdlePoll <= TimeSpan.Zero || RetryDelay <= TimeSpan.Zero || MaxRetryDelay < RetryDelay || DrainTimeout < TimeSpan.Zero)
            results.Add(new ValidationResult("IdlePoll and RetryDelay must be positive, MaxRetryDelay not below RetryDelay, DrainTimeout not negative."));
        if (UnroutableTimeout < TimeSpan.Zero)
            results.Add(new ValidationResult($"UnroutableTimeout is {UnroutableTimeout}; it must not be negative."));
        if (StuckAfter <= TimeSpan.Zero)
            results.Add(new ValidationResult($"StuckAfter is {StuckAfter}; it must be positive."));
        if (ArchiveRetention <= TimeSpan.Zero)
            results.Add(new ValidationResult($"ArchiveRetention is {ArchiveRetention}; it must be positive."));
        if (results.Count > 0)
            throw new OutboxConfigurationException($"Relay of source '{source}': {string.Join(" ", results.Select(r => r.ErrorMessage))}");
    }
}

using Outbox.Consumers;

namespace Outbox.Sagas;

/// <summary>Settings of one saga.</summary>
public sealed class SagaOptions
{
    /// <summary>The longest wait: some engines add milliseconds as a number of 32 bits.</summary>
    internal static readonly TimeSpan Longest = TimeSpan.FromDays(20);

    internal SagaOptions(ConsumerOptions consumer) => Consumer = consumer;

    /// <summary>The consumer that the saga is: its queue, its exchange, and how many messages it handles at once.</summary>
    /// <remarks>Default: four at once, in any order: a saga tells by its own state whether a message has its turn.</remarks>
    public ConsumerOptions Consumer { get; }

    /// <summary>How long a compensation, or a step after the pivot, may take before it is sent again. A step's own <see cref="SagaStep{TState}.Within"/> goes before it.</summary>
    /// <value>Default: 1 minute. At most 20 days.</value>
    /// <remarks>Nothing is done twice by it: the participant's inbox knows the call. A late answer counts.</remarks>
    public TimeSpan AnswerWithin { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How often such an operation is sent before the saga is parked for a person to look at.</summary>
    /// <value>Default: 5.</value>
    public int MaxAttempts { get; set; } = 5;

    /// <summary>The wait after the first refusal of such an operation; it doubles with each further one, up to <see cref="MaxRetryDelay"/>.</summary>
    /// <value>Default: 1 second.</value>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest such wait.</summary>
    /// <value>Default: 1 minute.</value>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long sagas that have ended are kept.</summary>
    /// <value>Default: 30 days.</value>
    /// <remarks>A message that starts a saga and comes again after that starts another one.</remarks>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    internal TimeSpan DelayAfter(int attempts)
    {
        var doubled = RetryDelay.TotalMilliseconds * Math.Pow(2, Math.Clamp(attempts - 1, 0, 30));
        return TimeSpan.FromMilliseconds(Math.Min(doubled, MaxRetryDelay.TotalMilliseconds));
    }

    internal void Validate(string saga)
    {
        if (AnswerWithin <= TimeSpan.Zero || AnswerWithin > Longest)
            throw Wrong($"AnswerWithin is {AnswerWithin}; it must be positive and not above {Longest.TotalDays:0} days.");
        if (MaxAttempts < 1)
            throw Wrong($"MaxAttempts is {MaxAttempts}; at least 1 is needed.");
        if (RetryDelay <= TimeSpan.Zero || MaxRetryDelay < RetryDelay || MaxRetryDelay > Longest)
            throw Wrong($"RetryDelay ({RetryDelay}) must be positive and not above MaxRetryDelay ({MaxRetryDelay}), and that not above {Longest.TotalDays:0} days.");
        if (Retention < TimeSpan.FromMinutes(1))
            throw Wrong($"Retention is {Retention}; at least a minute is needed, and weeks are advised.");

        OutboxConfigurationException Wrong(string what) => new($"Saga '{saga}': {what}");
    }
}

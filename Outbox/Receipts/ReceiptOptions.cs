namespace Outbox.Receipts;

/// <summary>Settings of the receipts that come back to one outbox.</summary>
public sealed class ReceiptOptions
{
    private static readonly TimeSpan MaxTime = TimeSpan.FromDays(3_650);

    /// <summary>The exchanges that consumers' own outboxes publish to, so that their receipts are found there.</summary>
    /// <value>Default: none given, which means the outbox's own exchange, <see cref="OutboxOptions.Exchange"/>.</value>
    /// <remarks>A consumer's service may publish to another exchange than the one it reads from. Name it here, beside this outbox's own if others use that.</remarks>
    public IList<string> Exchanges { get; } = [];

    /// <summary>How long receipts, and the wish for them, are kept. A wait for an older message ends as <see cref="ReceiptOutcome.NotRequested"/>.</summary>
    /// <value>Default: 7 days.</value>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long a consumer that is not heard of still counts for <see cref="AppliedBy.All"/> and <see cref="AppliedBy.Majority"/>.</summary>
    /// <value>Default: 7 days.</value>
    /// <remarks>A shorter time forgets a removed consumer earlier, and one that is stopped too. Consumers are heard of once a minute.</remarks>
    public TimeSpan ConsumerLifetime { get; set; } = TimeSpan.FromDays(7);

    internal IReadOnlyList<string> ExchangesOf(OutboxOptions outbox) => Exchanges.Count == 0 ? [outbox.Exchange] : [.. Exchanges.Distinct(StringComparer.Ordinal)];

    internal void Validate(string source)
    {
        if (Retention < TimeSpan.FromMinutes(1) || Retention > MaxTime)
            throw new OutboxConfigurationException($"Outbox '{source}', receipts: Retention is {Retention}; between a minute and {MaxTime.TotalDays:0} days is possible, for example 7.00:00:00.");
        if (ConsumerLifetime < 2 * ConsumerAnnouncer.Interval || ConsumerLifetime > MaxTime)
            throw new OutboxConfigurationException($"Outbox '{source}', receipts: ConsumerLifetime is {ConsumerLifetime}; between {2 * ConsumerAnnouncer.Interval} and {MaxTime.TotalDays:0} days is possible, for example 7.00:00:00.");
        if (Exchanges.Any(e => string.IsNullOrWhiteSpace(e) || e.Length > 100))
            throw new OutboxConfigurationException($"Outbox '{source}', receipts: the name of an exchange has 1 to 100 characters.");
    }
}

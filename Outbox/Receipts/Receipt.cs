namespace Outbox.Receipts;

/// <summary>Who has applied a message, who has not, and whether that is what was asked for.</summary>
public sealed record Receipt
{
    internal Receipt()
    {
    }

    /// <summary>The message.</summary>
    public required Guid MessageId { get; init; }

    /// <summary>How the wait ended.</summary>
    public required ReceiptOutcome Outcome { get; init; }

    /// <summary>Whether those who were asked for have applied it.</summary>
    public bool IsFulfilled => Outcome == ReceiptOutcome.Fulfilled;

    /// <summary>The consumers whose effects are committed, the earliest first; also those that were not asked for.</summary>
    public required IReadOnlyList<Application> AppliedBy { get; init; }

    /// <summary>The consumers that nothing is known from yet, of those that were asked for.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>The consumers at which the message became a dead letter, the earliest first. One that applies it after a redrive is in <see cref="AppliedBy"/> from then on.</summary>
    public required IReadOnlyList<Refusal> Refused { get; init; }
}

namespace Outbox.Receipts;

/// <summary>How the wait for a message's receipts ended.</summary>
public enum ReceiptOutcome
{
    /// <summary>Those who were asked for have applied the message.</summary>
    Fulfilled,

    /// <summary>So many have refused it that the rest is not enough. A redrive can change that: ask again.</summary>
    Refused,

    /// <summary>Time ran out; see <see cref="Receipt.Missing"/>.</summary>
    TimedOut,

    /// <summary>Time ran out, and no consumer of the message's type is known.</summary>
    NoConsumers,

    /// <summary>Time ran out, and the database knows of no such message whose receipts are wanted: its transaction has not committed, it was written without <see cref="MessageOptions.WantsReceipt"/>, or that was longer ago than <see cref="ReceiptOptions.Retention"/>.</summary>
    NotRequested,
}

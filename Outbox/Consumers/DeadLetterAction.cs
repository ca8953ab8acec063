namespace Outbox.Consumers;

/// <summary>A row of the table <c>dead_letter_actions</c>: what an operator did with a dead letter.</summary>
public sealed class DeadLetterAction
{
    /// <summary>Number of the action.</summary>
    public long Id { get; internal set; }

    /// <summary>Number of the dead letter, which may be gone.</summary>
    public long DeadLetterId { get; internal set; }

    /// <summary>The dead letter's side: <c>consumer</c> or <c>relay</c>.</summary>
    public string Side { get; internal set; } = "";

    /// <summary>The dead letter's consumer; on the relay's side the row's number in the outbox.</summary>
    public string Consumer { get; internal set; } = "";

    /// <summary>Message id, if the message had one.</summary>
    public Guid? MessageId { get; internal set; }

    /// <summary><c>redriven</c>, <c>edited</c> or <c>discarded</c>.</summary>
    public string Action { get; internal set; } = "";

    /// <summary>Who did it.</summary>
    public string Actor { get; internal set; } = "";

    /// <summary>Why, if that was said.</summary>
    public string? Reason { get; internal set; }

    /// <summary>The body before it was edited.</summary>
    public byte[]? PreviousBody { get; internal set; }

    /// <summary>When, in UTC, by the database's clock.</summary>
    public DateTime ActedAt { get; internal set; }
}

namespace Outbox.Consumers;

/// <summary>What became of a message, by a transaction that has committed.</summary>
internal enum BatchOutcome
{
    /// <summary>It took effect.</summary>
    Applied,

    /// <summary>It had taken effect before.</summary>
    Known,

    /// <summary>It failed, changed nothing, and is deferred.</summary>
    Failed,

    /// <summary>It is deferred because an earlier message of its key is.</summary>
    Behind,

    /// <summary>It is a dead letter.</summary>
    Dead,

    /// <summary>Its type is none of this consumer's, which is told to pass over such.</summary>
    Ignored,

    /// <summary>It was deferred, and somebody else has dealt with it or is about to, or earlier messages of its key come first.</summary>
    NotOurs,
}

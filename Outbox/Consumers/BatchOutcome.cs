namespace Outbox.Consumers;

/// <summary>What became of a message of a batch whose transaction has committed.</summary>
internal enum BatchOutcome
{
    /// <summary>It took effect.</summary>
    Applied,

    /// <summary>It had taken effect before.</summary>
    Known,

    /// <summary>It failed, and changed nothing.</summary>
    Failed,

    /// <summary>It was not tried, because an earlier message of its key failed.</summary>
    Behind,
}

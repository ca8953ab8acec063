namespace Outbox.TwoPhaseCommit;

/// <summary>How a transaction over several databases ended, as far as its coordinator knows: one of the three records inside.</summary>
public abstract record TransactionOutcome
{
    private protected TransactionOutcome(string transactionId) => TransactionId = transactionId;

    /// <summary>The transaction, as <c>broker in-doubt show</c> and the dashboard name it.</summary>
    public string TransactionId { get; }

    /// <summary>It is decided to commit, for good (G9). Every participant commits: those in <see cref="Unfinished"/> as soon as they can be reached, by recovery.</summary>
    public sealed record Committed : TransactionOutcome
    {
        internal Committed(string transactionId, IReadOnlyList<string> unfinished) : base(transactionId) => Unfinished = unfinished;

        /// <summary>The participants that had not committed when this was returned. Until then what they hold is locked, and not seen by others.</summary>
        public IReadOnlyList<string> Unfinished { get; }
    }

    /// <summary>Nothing of it remains in any participant, or will as soon as each can be reached.</summary>
    public sealed record RolledBack : TransactionOutcome
    {
        internal RolledBack(string transactionId, string reason) : base(transactionId) => Reason = reason;

        /// <summary>Why: who could not prepare, or that the deadline had passed.</summary>
        public string Reason { get; }
    }

    /// <summary>It is not known here whether it is decided: the database of the decision did not answer. Recovery finishes it one way or the other; ask again with the id.</summary>
    public sealed record InDoubt : TransactionOutcome
    {
        internal InDoubt(string transactionId, string reason) : base(transactionId) => Reason = reason;

        /// <summary>Why it is not known.</summary>
        public string Reason { get; }
    }
}

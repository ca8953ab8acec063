namespace Outbox.Sql;

/// <content>What a job forgets of dead letters, and how often a message was redriven.</content>
public abstract partial class SqlDialect
{
    /// <summary>Deletes up to @limit dead letters above an id, @after, that were discarded more than @seconds ago, the lowest first. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteDiscardedLetters { get; }

    /// <summary>Deletes up to @limit records above an id, @after, of what operators did more than @seconds ago, the lowest first. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldLetterActions { get; }

    /// <summary>Deletes up to @limit rows of inboxes, whoever's, that are older than @seconds, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldInboxOfAnyone { get; }

    /// <summary>How often the messages of dead letters were redriven before: @ids. Columns: id, times; letters that never were may be missing.</summary>
    internal abstract string CountRedrives { get; }

    /// <summary>How many relays are alive.</summary>
    internal string CountRelays => $"SELECT count(*) FROM relays WHERE {SecondsUntil("expires_at")} > 0";
}

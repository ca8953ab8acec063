namespace Outbox.Sql;

/// <content>How many partitions an outbox has, and how its rows find their new ones when that changes.</content>
public abstract partial class SqlDialect
{
    /// <summary>The partitions of the outbox, and what is going on with them: zero = nothing; above zero = the number that they will have;
    /// below zero = their old number, whose rows are being moved.</summary>
    internal string ReadSettings { get; } = "SELECT partitions, COALESCE(next_partitions, 0) FROM outbox_settings WHERE id = 1";

    /// <summary>Announces another number of partitions, unless one is announced already: @partitions, @lease, @token.</summary>
    internal string PlanPartitions => UpdateIfHeld("outbox_settings", $"next_partitions = @partitions, changed_at = {Time}", "id = 1 AND next_partitions IS NULL");

    /// <summary>Makes the announced number the one that writers count with, and remembers the old one: @partitions, @old, @lease, @token.</summary>
    internal string TurnPartitions => UpdateIfHeld("outbox_settings", $"partitions = @partitions, next_partitions = -@old, changed_at = {Time}", "id = 1 AND next_partitions = @partitions AND partitions = @old");

    /// <summary>Ends a change of the number of partitions: @old, @lease, @token.</summary>
    internal string EndPartitions => UpdateIfHeld("outbox_settings", $"next_partitions = NULL, changed_at = {Time}", "id = 1 AND next_partitions = -@old");

    /// <summary>The lowest partition above @after that has committed rows.</summary>
    internal abstract string NextPartition { get; }

    /// <summary>The keys of committed rows: @partition, @after, @limit. Columns: sequence, partition_key.</summary>
    internal abstract string ReadKeys { get; }

    /// <summary>As <see cref="NextPartition"/>, with the rows of transactions that have not ended yet. Null where the engine cannot show them, or need not.</summary>
    internal abstract string? NextUncommittedPartition { get; }

    /// <summary>As <see cref="ReadKeys"/>, with the rows of transactions that have not ended yet. Null where the engine cannot show them, or need not.</summary>
    internal abstract string? ReadUncommittedKeys { get; }

    /// <summary>The keys of rows that were moved aside until they are due: @after, @limit. Columns: id, partition_key, partition.</summary>
    internal abstract string ReadScheduledKeys { get; }

    /// <summary>The keys of the relay's dead letters: @after, @limit. Columns: id, partition_key, partition.</summary>
    internal abstract string ReadDeadLetterKeys { get; }

    /// <summary>Moves rows to another partition: @partition, @sequences, @target, @lease, @token (G5).</summary>
    internal abstract string MoveMessages { get; }

    /// <summary>Moves rows that were moved aside to another partition: @sequences (their ids), @target, @lease, @token (G5).</summary>
    internal abstract string MoveScheduled { get; }

    /// <summary>Moves the relay's dead letters to another partition: @sequences (their ids), @target, @lease, @token (G5).</summary>
    internal abstract string MoveDeadLetters { get; }

    /// <summary>Extends leases that are still held, and counts them: @milliseconds, and what <see cref="BindHeld"/> adds.</summary>
    internal virtual string RenewLeases(int held) => $"UPDATE leases SET expires_at = {Expiry} WHERE {AnyHeld(held)}";

    /// <summary>The time, by the database's clock.</summary>
    private protected abstract string Time { get; }

    /// <summary>An update of @lease's holder, refused to whoever held it before (G5).</summary>
    private protected abstract string UpdateIfHeld(string table, string set, string where);
}

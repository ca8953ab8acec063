namespace Outbox.Sql;

/// <content>Whether everything has come to rest, for tests.</content>
public abstract partial class SqlDialect
{
    /// <summary>How many rows of the outbox can be published now: those that are due and whose key does not wait for an operator.</summary>
    internal string CountMovingRows =>
        $"""
        SELECT (SELECT count(*) FROM outbox_scheduled AS s WHERE s.not_before <= {Time})
        + (SELECT count(*) FROM outbox_messages AS m WHERE (m.not_before IS NULL OR m.not_before <= {Time})
            AND NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.side = 'relay' AND d.state = 'blocking' AND d.partition_key = m.partition_key))
        """;

    /// <summary>How many deferred messages go on by themselves: those that are no dead letters and wait for none.</summary>
    internal string CountMovingDeferred { get; } =
        """
        SELECT count(*) FROM deferred_messages AS d WHERE d.state <> 'dead'
        AND NOT EXISTS (SELECT 1 FROM deferred_messages AS f WHERE f.consumer = d.consumer AND f.partition_key = d.partition_key AND f.state = 'dead' AND f.id < d.id)
        """;

    /// <summary>What waits in the outbox. Columns: type, partition_key.</summary>
    internal string ListWaitingRows { get; } = "SELECT type, partition_key FROM outbox_messages ORDER BY sequence";

    /// <summary>What is deferred. Columns: consumer, type, partition_key, state, attempts, reason.</summary>
    internal string ListWaitingDeferred { get; } = "SELECT consumer, type, partition_key, state, attempts, reason FROM deferred_messages ORDER BY id";
}

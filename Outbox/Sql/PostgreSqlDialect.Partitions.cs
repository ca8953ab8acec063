namespace Outbox.Sql;

internal sealed partial class PostgreSqlDialect
{
    internal override string NextPartition => "SELECT min(partition) FROM outbox_messages WHERE partition > @after";

    internal override string ReadKeys => "SELECT sequence, partition_key FROM outbox_messages WHERE partition = @partition AND sequence > @after ORDER BY partition, sequence LIMIT @limit";

    internal override string? NextUncommittedPartition => null;

    internal override string? ReadUncommittedKeys => null;

    internal override string ReadScheduledKeys => "SELECT id, partition_key, partition FROM outbox_scheduled WHERE id > @after ORDER BY id LIMIT @limit";

    internal override string ReadDeadLetterKeys => "SELECT id, partition_key, partition FROM dead_letters WHERE id > @after AND side = 'relay' AND partition IS NOT NULL ORDER BY id LIMIT @limit";

    // By their places, as SettleMessages.
    internal override string MoveMessages => UpdateIfHeld("outbox_messages", "partition = @target", $"ctid = ANY({Places})");

    internal override string MoveScheduled => UpdateIfHeld("outbox_scheduled", "partition = @target", "id = ANY(@sequences)");

    internal override string MoveDeadLetters => UpdateIfHeld("dead_letters", "partition = @target", "id = ANY(@sequences)");

    private protected override string Time => "clock_timestamp()";

    private protected override string UpdateIfHeld(string table, string set, string where) =>
        $"""
        WITH held AS (SELECT 1 FROM leases WHERE name = @lease AND token = @token FOR KEY SHARE)
        UPDATE {table} SET {set} FROM held WHERE {where}
        """;
}

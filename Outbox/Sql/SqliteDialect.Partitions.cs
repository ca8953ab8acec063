namespace Outbox.Sql;

internal sealed partial class SqliteDialect
{
    internal override string NextPartition => "SELECT min(partition) FROM outbox_messages WHERE partition > @after";

    internal override string ReadKeys => "SELECT sequence, partition_key FROM outbox_messages WHERE sequence > @after AND partition = @partition ORDER BY sequence LIMIT @limit";

    internal override string? NextUncommittedPartition => null;

    internal override string? ReadUncommittedKeys => null;

    internal override string ReadScheduledKeys => "SELECT id, partition_key, partition FROM outbox_scheduled WHERE id > @after ORDER BY id LIMIT @limit";

    internal override string ReadDeadLetterKeys => "SELECT id, partition_key, partition FROM dead_letters WHERE id > @after AND side = 'relay' AND partition IS NOT NULL ORDER BY id LIMIT @limit";

    internal override string MoveMessages => UpdateIfHeld("outbox_messages", "partition = @target", "sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition");

    internal override string MoveScheduled => UpdateIfHeld("outbox_scheduled", "partition = @target", "id IN (SELECT value FROM json_each(@sequences))");

    internal override string MoveDeadLetters => UpdateIfHeld("dead_letters", "partition = @target", "id IN (SELECT value FROM json_each(@sequences))");

    internal override string RenewLeases(int held) => $"{Patience}; UPDATE leases SET expires_at = {Expiry} WHERE {AnyHeld(held)}";

    private protected override string Time => Now;

    // The driver looks at a busy file only every 150 ms, and so never gets its turn beside a service that writes all the time.
    private protected override string UpdateIfHeld(string table, string set, string where) =>
        $"{Patience}; UPDATE {table} SET {set} WHERE {where} AND EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token)";
}

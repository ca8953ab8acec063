namespace Outbox.Sql;

internal sealed partial class MySqlDialect
{
    internal override string NextPartition => "SELECT min(`partition`) FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` > @after";

    internal override string ReadKeys => "SELECT sequence, partition_key FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` = @partition AND sequence > @after ORDER BY `partition`, sequence LIMIT @limit";

    // SET TRANSACTION without SESSION is for the next transaction only, here that one SELECT.
    internal override string? NextUncommittedPartition => $"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; {NextPartition}";

    internal override string? ReadUncommittedKeys => $"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; {ReadKeys}";

    internal override string ReadScheduledKeys => "SELECT id, partition_key, `partition` FROM outbox_scheduled FORCE INDEX (PRIMARY) WHERE id > @after ORDER BY id LIMIT @limit";

    internal override string ReadDeadLetterKeys => "SELECT id, partition_key, `partition` FROM dead_letters FORCE INDEX (PRIMARY) WHERE id > @after AND side = 'relay' AND `partition` IS NOT NULL ORDER BY id LIMIT @limit";

    internal override string MoveMessages => $"UPDATE {Wanted} SET m.`partition` = @target WHERE {IfHeld}";

    internal override string MoveScheduled => $"UPDATE {ById("outbox_scheduled")} SET m.`partition` = @target WHERE {IfHeld}";

    internal override string MoveDeadLetters => $"UPDATE {ById("dead_letters")} SET m.`partition` = @target WHERE {IfHeld}";

    private static string ById(string table) => $"JSON_TABLE(@sequences, '$[*]' COLUMNS (id bigint PATH '$')) AS wanted STRAIGHT_JOIN {table} m FORCE INDEX (PRIMARY) ON m.id = wanted.id";

    private protected override string Time => "utc_timestamp(6)";

    private protected override string UpdateIfHeld(string table, string set, string where) => $"UPDATE {table} SET {set} WHERE {where} AND {IfHeld}";
}

namespace Outbox.Sql;

internal sealed partial class SqlServerDialect
{
    internal override string NextPartition => $"SELECT MIN(m.partition) FROM outbox_messages AS m {Committed} WHERE m.partition > @after";

    internal override string ReadKeys => Keys(Committed);

    internal override string? NextUncommittedPartition => "SELECT MIN(m.partition) FROM outbox_messages AS m WITH (NOLOCK) WHERE m.partition > @after";

    internal override string? ReadUncommittedKeys => Keys("WITH (NOLOCK)");

    internal override string ReadScheduledKeys => "SELECT TOP (@limit) m.id, m.partition_key, m.partition FROM outbox_scheduled AS m WHERE m.id > @after ORDER BY m.id";

    internal override string ReadDeadLetterKeys => "SELECT TOP (@limit) m.id, m.partition_key, m.partition FROM dead_letters AS m WHERE m.id > @after AND m.side = N'relay' AND m.partition IS NOT NULL ORDER BY m.id";

    internal override string MoveMessages => $"{Plain} UPDATE m SET partition = @target {Settled} WHERE {IfHeld}";

    internal override string MoveScheduled => MoveById("outbox_scheduled");

    internal override string MoveDeadLetters => MoveById("dead_letters");

    internal override string RenewLeases(int held) => $"{Plain} UPDATE leases WITH (ROWLOCK) SET expires_at = {Expiry} WHERE {AnyHeld(held)}";

    private static string Keys(string hint) =>
        $"SELECT TOP (@limit) m.sequence, m.partition_key FROM outbox_messages AS m {hint} WHERE m.partition = @partition AND m.sequence > @after ORDER BY m.partition, m.sequence";

    private static string MoveById(string table) =>
        $"""
        {Plain}
        UPDATE m SET partition = @target
        FROM OPENJSON(@sequences) WITH (id bigint '$') AS moved INNER LOOP JOIN {table} AS m WITH (ROWLOCK) ON m.id = moved.id
        WHERE {IfHeld}
        """;

    private protected override string Time => "SYSUTCDATETIME()";

    private protected override string UpdateIfHeld(string table, string set, string where) => $"{Plain} UPDATE {table} WITH (ROWLOCK) SET {set} WHERE {where} AND {IfHeld}";
}

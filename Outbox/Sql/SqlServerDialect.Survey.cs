namespace Outbox.Sql;

/// <summary>How a source stands.</summary>
internal sealed partial class SqlServerDialect
{
    private protected override string LastSequence => "CAST(IDENT_CURRENT(N'outbox_messages') AS bigint)";

    private protected override string Counted(string table, string where, string columns = "1 AS one") => $"SELECT TOP (@limit) {columns} FROM {table} WITH (NOLOCK) WHERE {where}";
}

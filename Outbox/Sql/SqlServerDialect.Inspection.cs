namespace Outbox.Sql;

/// <summary>What an operator asks.</summary>
internal sealed partial class SqlServerDialect
{
    internal override string ReadLastNumber => "SELECT CAST(last_value AS bigint) FROM sys.identity_columns WHERE object_id = OBJECT_ID(N'outbox_messages', N'U')";

    private protected override string WithoutWaiting => $" {Committed}";

    private protected override string Page(string select, string order) => $"SELECT TOP (@limit) {select} ORDER BY {order}";

    private protected override string IsChosen(string column) => $"(@ids IS NULL OR {column} IN (SELECT chosen.id FROM OPENJSON(@ids) WITH (id bigint '$') AS chosen))";

    private protected override string Holds(string column, string parameter) => $"CHARINDEX(LOWER({parameter}), LOWER({column})) > 0";

    private protected override string LengthOf(string bytes) => $"DATALENGTH({bytes})";
}

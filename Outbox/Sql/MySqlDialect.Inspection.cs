namespace Outbox.Sql;

/// <summary>What an operator asks.</summary>
internal sealed partial class MySqlDialect
{
    // MySQL remembers this number for a day unless told otherwise. MariaDB does not, does not know the setting, and passes over such a comment.
    internal override string ReadLastNumber =>
        """
        SET SESSION /*!80000 information_schema_stats_expiry = 0, */ net_write_timeout = @@net_write_timeout;
        SELECT CAST(auto_increment AS signed) - 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = 'outbox_messages'
        """;

    private protected override string IsChosen(string column) => $"(@ids IS NULL OR {column} IN (SELECT chosen.id FROM JSON_TABLE(@ids, '$[*]' COLUMNS (id bigint PATH '$')) AS chosen))";

    private protected override string Holds(string column, string parameter) => $"locate(lower({parameter}), lower({column})) > 0";

    private protected override string LengthOf(string bytes) => $"length({bytes})";
}

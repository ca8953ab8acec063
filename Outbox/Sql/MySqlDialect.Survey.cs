namespace Outbox.Sql;

/// <summary>How a source stands.</summary>
internal sealed partial class MySqlDialect
{
    // MySQL 8 shows the numbers of its tables as they were a day ago unless told otherwise; MariaDB passes the comment over.
    internal override string PrepareSurveyConnection => $"{PrepareRelayConnection} /*!80000 , SESSION information_schema_stats_expiry = 0 */";

    private protected override string LastSequence => "(SELECT auto_increment - 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'outbox_messages')";

    // With the statistics of an empty table the optimizer may prefer another index, or none.
    private protected override string Counted(string table, string where, string columns = "1 AS one") =>
        $"SELECT {columns} FROM {table}{(table == "outbox_messages" ? " FORCE INDEX (PRIMARY)" : "")} WHERE {where} LIMIT @limit";
}

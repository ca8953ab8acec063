namespace Outbox.Sql;

/// <summary>How a source stands.</summary>
internal sealed partial class PostgreSqlDialect
{
    private protected override string LastSequence => "(SELECT pg_sequence_last_value(pg_get_serial_sequence('outbox_messages', 'sequence')::regclass))";
}

namespace Outbox.Sql;

/// <summary>What an operator asks.</summary>
internal sealed partial class PostgreSqlDialect
{
    internal override string ReadLastNumber => "SELECT pg_sequence_last_value(pg_get_serial_sequence('outbox_messages', 'sequence')::regclass)";

    private protected override string IsChosen(string column) => $"(@ids::bigint[] IS NULL OR {column} = ANY(@ids::bigint[]))";

    private protected override string Holds(string column, string parameter) => $"strpos(lower({column}), lower({parameter})) > 0";

    private protected override string LengthOf(string bytes) => $"octet_length({bytes})";
}

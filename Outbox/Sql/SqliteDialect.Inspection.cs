namespace Outbox.Sql;

/// <summary>What an operator asks.</summary>
internal sealed partial class SqliteDialect
{
    internal override string ReadLastNumber => "SELECT seq FROM sqlite_sequence WHERE name = 'outbox_messages'";

    // The driver writes ids in capitals, other programs mostly do not.
    private protected override string IsMessage(string column) => $"{column} IN (@message_id, lower(@message_id))";

    private protected override string IsChosen(string column) => $"(@ids IS NULL OR {column} IN (SELECT value FROM json_each(@ids)))";

    // The driver leaves the zeros at the end away, the columns do not.
    private protected override string Instant(string parameter) => $"strftime('%Y-%m-%d %H:%M:%f', {parameter})";

    private protected override string Holds(string column, string parameter) => $"instr(lower({column}), lower({parameter})) > 0";

    private protected override string LengthOf(string bytes) => $"length({bytes})";

    private protected override string FirstOf(string bytes, string length) => $"substr({bytes}, 1, {length})";
}

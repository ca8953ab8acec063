namespace Outbox.Sql;

/// <summary>How a source stands.</summary>
internal sealed partial class SqliteDialect
{
    private protected override string LastSequence => "(SELECT seq FROM sqlite_sequence WHERE name = 'outbox_messages')";
}

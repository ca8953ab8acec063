namespace Outbox.Sql;

internal sealed partial class SqliteDialect
{
    private const string ReceiptTables =
        $"""
        CREATE TABLE IF NOT EXISTS consumers (
            name TEXT NOT NULL,
            type TEXT NOT NULL,
            last_seen_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_consumers PRIMARY KEY (name, type)
        );

        CREATE TABLE IF NOT EXISTS receipt_requests (
            message_id TEXT NOT NULL CONSTRAINT pk_receipt_requests PRIMARY KEY,
            type TEXT NOT NULL,
            requested_at TEXT NOT NULL DEFAULT ({Now})
        );
        CREATE INDEX IF NOT EXISTS ix_receipt_requests_requested_at ON receipt_requests (requested_at);

        CREATE TABLE IF NOT EXISTS receipts (
            message_id TEXT NOT NULL,
            consumer TEXT NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT NULL,
            occurred_at TEXT NOT NULL,
            received_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_receipts PRIMARY KEY (message_id, consumer)
        );
        CREATE INDEX IF NOT EXISTS ix_receipts_received_at ON receipts (received_at);
        """;

    internal override string InsertReceipt =>
        $"""
        INSERT INTO receipts AS known (message_id, consumer, outcome, reason, occurred_at) VALUES (@message_id, @consumer, @outcome, @reason, @occurred_at)
        ON CONFLICT (message_id, consumer) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, occurred_at = excluded.occurred_at, received_at = {Now}
        WHERE known.outcome <> 'applied'
        """;

    internal override string InsertConsumer =>
        $"INSERT INTO consumers (name, type) VALUES (@name, @type) ON CONFLICT (name, type) DO UPDATE SET last_seen_at = {Now}";

    internal override string ReadReceipts => "SELECT message_id, consumer, outcome, reason, occurred_at FROM receipts WHERE message_id IN (SELECT upper(value) FROM json_each(@message_ids))";

    internal override string ReadReceiptRequests => "SELECT message_id, type FROM receipt_requests WHERE message_id IN (SELECT upper(value) FROM json_each(@message_ids))";

    internal override string DeleteOldReceipts => DeleteOld("receipts", "received_at");

    internal override string DeleteOldReceiptRequests => DeleteOld("receipt_requests", "requested_at");

    private protected override string IsOlder(string time) => $"{time} < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || @seconds || ' seconds')";

    private string DeleteOld(string table, string time, string where = "true") =>
        $"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {where} AND {time} >= {Instant("@from")} AND {IsOlder(time)} ORDER BY {time} LIMIT @limit) RETURNING {time}";
}

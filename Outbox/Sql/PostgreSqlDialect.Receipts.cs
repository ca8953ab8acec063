namespace Outbox.Sql;

internal sealed partial class PostgreSqlDialect
{
    private const string ReceiptTables =
        """
        CREATE TABLE IF NOT EXISTS consumers (
            name character varying(100) NOT NULL,
            type character varying(200) NOT NULL,
            last_seen_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            CONSTRAINT pk_consumers PRIMARY KEY (name, type)
        );

        CREATE TABLE IF NOT EXISTS receipt_requests (
            message_id uuid NOT NULL,
            type character varying(200) NOT NULL,
            requested_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            CONSTRAINT pk_receipt_requests PRIMARY KEY (message_id)
        );
        CREATE INDEX IF NOT EXISTS ix_receipt_requests_requested_at ON receipt_requests (requested_at);

        CREATE TABLE IF NOT EXISTS receipts (
            message_id uuid NOT NULL,
            consumer character varying(100) NOT NULL,
            outcome character varying(20) NOT NULL,
            reason text,
            occurred_at timestamp with time zone NOT NULL,
            received_at timestamp with time zone NOT NULL DEFAULT (clock_timestamp()),
            CONSTRAINT pk_receipts PRIMARY KEY (message_id, consumer)
        );
        CREATE INDEX IF NOT EXISTS ix_receipts_received_at ON receipts (received_at);
        """;

    internal override string InsertReceipt =>
        """
        INSERT INTO receipts AS known (message_id, consumer, outcome, reason, occurred_at) VALUES (@message_id, @consumer, @outcome, @reason, @occurred_at)
        ON CONFLICT (message_id, consumer) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, occurred_at = excluded.occurred_at, received_at = clock_timestamp()
        WHERE known.outcome <> 'applied'
        """;

    internal override string InsertConsumer =>
        "INSERT INTO consumers (name, type) VALUES (@name, @type) ON CONFLICT (name, type) DO UPDATE SET last_seen_at = clock_timestamp()";

    internal override string ReadReceipts => "SELECT message_id, consumer, outcome, reason, occurred_at FROM receipts WHERE message_id = ANY(@message_ids::uuid[])";

    internal override string ReadReceiptRequests => "SELECT message_id, type FROM receipt_requests WHERE message_id = ANY(@message_ids::uuid[])";

    internal override string DeleteOldReceipts => DeleteOld("receipts", "received_at");

    internal override string DeleteOldReceiptRequests => DeleteOld("receipt_requests", "requested_at");

    // Not clock_timestamp(): what may change from row to row ends no index scan, and the last batch would walk over all that is kept.
    private protected override string IsOlder(string time) => $"{time} < statement_timestamp() - @seconds * interval '1 second'";

    private string DeleteOld(string table, string time, string where = "true") =>
        DeleteFirst(table, time, $"{where} AND {time} >= @from AND {IsOlder(time)}");

    // Whatever the statistics say, which may have been taken of an empty table: a sort reads all that is old for each batch, the index of the order as much as the batch has.
    private static string DeleteFirst(string table, string place, string where) =>
        $"""
        SET LOCAL enable_sort TO off;
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {where} ORDER BY {place} LIMIT @limit)) RETURNING {place}
        """;

    /// <summary>A condition that no index is looked up by, because another one has the order.</summary>
    private static string Hidden(string condition) => $"CASE WHEN {condition} THEN true ELSE false END";
}

namespace Outbox.Sql;

internal sealed partial class MySqlDialect
{
    private const string ReceiptTables =
        """
        CREATE TABLE IF NOT EXISTS consumers (
            name varchar(100) NOT NULL,
            type varchar(200) NOT NULL,
            last_seen_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            CONSTRAINT pk_consumers PRIMARY KEY (name, type)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

        CREATE TABLE IF NOT EXISTS receipt_requests (
            message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
            type varchar(200) NOT NULL,
            requested_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            CONSTRAINT pk_receipt_requests PRIMARY KEY (message_id),
            KEY ix_receipt_requests_requested_at (requested_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

        CREATE TABLE IF NOT EXISTS receipts (
            message_id char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
            consumer varchar(100) NOT NULL,
            outcome varchar(20) NOT NULL,
            reason longtext NULL,
            occurred_at datetime(6) NOT NULL,
            received_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
            CONSTRAINT pk_receipts PRIMARY KEY (message_id, consumer),
            KEY ix_receipts_received_at (received_at)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        """;

    // Assigned one after another, each seeing those before it: the outcome comes last.
    internal override string InsertReceipt =>
        """
        INSERT INTO receipts (message_id, consumer, outcome, reason, occurred_at) VALUES (@message_id, @consumer, @outcome, @reason, @occurred_at)
        ON DUPLICATE KEY UPDATE reason = IF(outcome = 'applied', reason, @reason), occurred_at = IF(outcome = 'applied', occurred_at, @occurred_at),
            received_at = IF(outcome = 'applied', received_at, utc_timestamp(6)), outcome = IF(outcome = 'applied', outcome, @outcome)
        """;

    internal override string InsertConsumer =>
        "INSERT INTO consumers (name, type) VALUES (@name, @type) ON DUPLICATE KEY UPDATE last_seen_at = utc_timestamp(6)";

    internal override string ReadReceipts =>
        $"SELECT CAST(r.message_id AS char(64)), r.consumer, r.outcome, r.reason, r.occurred_at FROM {Messages} STRAIGHT_JOIN receipts r FORCE INDEX (PRIMARY) ON r.message_id = message.id";

    internal override string ReadReceiptRequests =>
        $"SELECT CAST(r.message_id AS char(64)), r.type FROM {Messages} STRAIGHT_JOIN receipt_requests r FORCE INDEX (PRIMARY) ON r.message_id = message.id";

    internal override string DeleteOldReceipts => DeleteOld("receipts", "received_at");

    internal override string DeleteOldReceiptRequests => DeleteOld("receipt_requests", "requested_at");

    private protected override string IsOlder(string time) => $"{time} < utc_timestamp(6) - INTERVAL @seconds SECOND";

    private string DeleteOld(string table, string time, string where = "true") => DeleteFirst(table, time, $"{where} AND {time} >= @from AND {IsOlder(time)}");

    // MySQL's DELETE returns nothing, so where it will end is asked first.
    private static string DeleteFirst(string table, string place, string where) =>
        $"""
        SELECT max(batch.place) FROM (SELECT {place} AS place FROM {table} WHERE {where} ORDER BY {place} LIMIT @limit) AS batch;
        DELETE FROM {table} WHERE {where} ORDER BY {place} LIMIT @limit
        """;
}

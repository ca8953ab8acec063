namespace Outbox.Sql;

internal sealed partial class SqlServerDialect
{
    private const string ReceiptTables =
        """
        IF OBJECT_ID(N'consumers', N'U') IS NULL
        CREATE TABLE consumers (
            name nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            last_seen_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_consumers PRIMARY KEY CLUSTERED (name, type)
        );

        IF OBJECT_ID(N'receipt_requests', N'U') IS NULL
        CREATE TABLE receipt_requests (
            message_id uniqueidentifier NOT NULL,
            type nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            requested_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_receipt_requests PRIMARY KEY CLUSTERED (message_id)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'receipt_requests', N'U') AND name = N'ix_receipt_requests_requested_at')
            CREATE INDEX ix_receipt_requests_requested_at ON receipt_requests (requested_at);

        IF OBJECT_ID(N'receipts', N'U') IS NULL
        CREATE TABLE receipts (
            message_id uniqueidentifier NOT NULL,
            consumer nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            outcome nvarchar(20) NOT NULL,
            reason nvarchar(max) NULL,
            occurred_at datetime2(7) NOT NULL,
            received_at datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
            CONSTRAINT pk_receipts PRIMARY KEY CLUSTERED (message_id, consumer)
        );
        IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'receipts', N'U') AND name = N'ix_receipts_received_at')
            CREATE INDEX ix_receipts_received_at ON receipts (received_at);
        """;

    // Always in the handler's transaction, which keeps the range that was looked at until its commit.
    internal override string InsertReceipt =>
        """
        SET NOCOUNT OFF;
        UPDATE receipts WITH (UPDLOCK, HOLDLOCK) SET outcome = CASE outcome WHEN N'applied' THEN outcome ELSE @outcome END, reason = CASE outcome WHEN N'applied' THEN reason ELSE @reason END,
            occurred_at = CASE outcome WHEN N'applied' THEN occurred_at ELSE @occurred_at END, received_at = CASE outcome WHEN N'applied' THEN received_at ELSE SYSUTCDATETIME() END
        WHERE message_id = @message_id AND consumer = @consumer;
        IF @@ROWCOUNT = 0
            INSERT INTO receipts (message_id, consumer, outcome, reason, occurred_at) VALUES (@message_id, @consumer, @outcome, @reason, @occurred_at);
        """;

    internal override string InsertConsumer =>
        """
        SET NOCOUNT OFF;
        UPDATE consumers WITH (UPDLOCK, HOLDLOCK) SET last_seen_at = SYSUTCDATETIME() WHERE name = @name AND type = @type;
        IF @@ROWCOUNT = 0
            INSERT INTO consumers (name, type) VALUES (@name, @type);
        """;

    internal override string ReadReceipts =>
        """
        SELECT r.message_id, r.consumer, r.outcome, r.reason, r.occurred_at FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
        INNER LOOP JOIN receipts AS r ON r.message_id = message.id
        """;

    internal override string ReadReceiptRequests =>
        """
        SELECT r.message_id, r.type FROM OPENJSON(@message_ids) WITH (id uniqueidentifier '$') AS message
        INNER LOOP JOIN receipt_requests AS r ON r.message_id = message.id
        """;

    internal override string DeleteOldReceipts =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.received_at
        FROM (SELECT TOP (@limit) message_id, consumer FROM receipts WHERE {IsOlder("received_at")} AND received_at >= @from ORDER BY received_at) AS old
        INNER LOOP JOIN receipts AS m WITH (ROWLOCK) ON m.message_id = old.message_id AND m.consumer = old.consumer
        """;

    internal override string DeleteOldReceiptRequests =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.requested_at
        FROM (SELECT TOP (@limit) message_id FROM receipt_requests WHERE {IsOlder("requested_at")} AND requested_at >= @from ORDER BY requested_at) AS old
        INNER LOOP JOIN receipt_requests AS m WITH (ROWLOCK) ON m.message_id = old.message_id
        """;

    private protected override string IsOlder(string time) => $"{time} < {Age}";
}

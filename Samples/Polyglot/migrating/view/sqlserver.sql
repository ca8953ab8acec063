SET XACT_ABORT ON;
SET LOCK_TIMEOUT 5000;
BEGIN TRANSACTION;
DROP TRIGGER app_outbox_copy;
EXEC sp_rename N'app_outbox', N'app_outbox_old';
GO
-- CASE: an insert into the view would have to name every column that cannot be null.
CREATE VIEW app_outbox AS
SELECT CASE WHEN sequence > 0 THEN sequence END AS id, CASE WHEN sequence > 0 THEN message_id END AS event_id, type, CAST(NULL AS nvarchar(max)) AS payload,
    CASE WHEN sequence > 0 THEN created_at END AS created, CAST(NULL AS datetime2) AS sent_at
FROM outbox_messages;
GO
CREATE TRIGGER app_outbox_insert ON app_outbox INSTEAD OF INSERT AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    SELECT COALESCE(event_id, NEWID()), JSON_VALUE(payload, '$.account'), type, CAST(CAST(payload COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max))
    FROM inserted;
END;
GO
-- Without it SQL Server would let a forgotten dispatcher delete rows of the outbox through the view.
CREATE TRIGGER app_outbox_refuse ON app_outbox INSTEAD OF UPDATE, DELETE AS
    THROW 50003, N'app_outbox is a view: the relay sends its rows, stop the old dispatcher.', 1;
GO
COMMIT TRANSACTION;

SET XACT_ABORT ON;
SET LOCK_TIMEOUT 5000;
BEGIN TRANSACTION;

-- TABLOCKX waits for the writers at work and holds up new ones until the commit: each row is in the backlog, or the trigger copies it.
-- The backlog first: its numbers are to be below those of what the trigger copies.
INSERT INTO outbox_messages (message_id, partition_key, type, body)
SELECT event_id, JSON_VALUE(payload, '$.account'), type, CAST(CAST(payload COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max))
FROM app_outbox WITH (TABLOCKX, HOLDLOCK) WHERE sent_at IS NULL ORDER BY id;
GO
CREATE TRIGGER app_outbox_copy ON app_outbox AFTER INSERT AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    SELECT event_id, JSON_VALUE(payload, '$.account'), type, CAST(CAST(payload COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max))
    FROM inserted ORDER BY id;
END;
GO
COMMIT TRANSACTION;

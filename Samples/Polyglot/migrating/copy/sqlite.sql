-- Others write before or after it, so each row is in the backlog, or the trigger copies it.
BEGIN IMMEDIATE;

-- The backlog first: its numbers are to be below those of what the trigger copies.
INSERT INTO outbox_messages (message_id, partition_key, type, body)
SELECT event_id, json_extract(payload, '$.account'), type, CAST(payload AS blob)
FROM app_outbox WHERE sent_at IS NULL ORDER BY id;

CREATE TRIGGER app_outbox_copy AFTER INSERT ON app_outbox
BEGIN
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    VALUES (NEW.event_id, json_extract(NEW.payload, '$.account'), NEW.type, CAST(NEW.payload AS blob));
END;

COMMIT;

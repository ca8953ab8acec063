BEGIN IMMEDIATE;
DROP TRIGGER app_outbox_copy;
ALTER TABLE app_outbox RENAME TO app_outbox_old;

CREATE VIEW app_outbox AS
SELECT sequence AS id, message_id AS event_id, type, CAST(body AS text) AS payload, created_at AS created, NULL AS sent_at
FROM outbox_messages;

CREATE TRIGGER app_outbox_insert INSTEAD OF INSERT ON app_outbox
BEGIN
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    VALUES (NEW.event_id, json_extract(NEW.payload, '$.account'), NEW.type, CAST(NEW.payload AS blob));
END;

COMMIT;

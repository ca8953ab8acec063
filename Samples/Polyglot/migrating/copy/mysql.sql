-- Waits for the writers at work and holds up new ones until the end: each row is in the backlog, or the trigger copies it.
SET lock_wait_timeout = 5;
LOCK TABLES app_outbox WRITE, outbox_messages WRITE;

-- The backlog first: its numbers are to be below those of what the trigger copies. Should the trigger fail, run all of it again: the copies have the same ids.
INSERT INTO outbox_messages (message_id, partition_key, type, body)
SELECT event_id, json_unquote(json_extract(payload, '$.account')), type, CONVERT(payload USING utf8mb4)
FROM app_outbox WHERE sent_at IS NULL ORDER BY id;

CREATE TRIGGER app_outbox_copy AFTER INSERT ON app_outbox FOR EACH ROW
INSERT INTO outbox_messages (message_id, partition_key, type, body)
VALUES (NEW.event_id, json_unquote(json_extract(NEW.payload, '$.account')), NEW.type, CONVERT(NEW.payload USING utf8mb4));

UNLOCK TABLES;

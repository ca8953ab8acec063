BEGIN;
SET LOCAL lock_timeout = '5s';

-- Waits for the writers at work and holds up new ones until the commit: each row is in the backlog, or the trigger copies it.
LOCK TABLE app_outbox IN SHARE ROW EXCLUSIVE MODE;

-- The backlog first: its numbers are to be below those of what the trigger copies.
INSERT INTO outbox_messages (message_id, partition_key, type, body)
SELECT event_id, payload::json ->> 'account', type, convert_to(payload, 'UTF8')
FROM app_outbox WHERE sent_at IS NULL ORDER BY id;

CREATE FUNCTION app_outbox_copy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    VALUES (NEW.event_id, NEW.payload::json ->> 'account', NEW.type, convert_to(NEW.payload, 'UTF8'));
    RETURN NULL;
END
$$;

CREATE TRIGGER app_outbox_copy AFTER INSERT ON app_outbox FOR EACH ROW EXECUTE FUNCTION app_outbox_copy();

COMMIT;

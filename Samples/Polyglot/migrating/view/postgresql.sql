BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE app_outbox RENAME TO app_outbox_old;
DROP TRIGGER app_outbox_copy ON app_outbox_old;
DROP FUNCTION app_outbox_copy();

CREATE VIEW app_outbox AS
SELECT sequence AS id, message_id AS event_id, type, convert_from(body, 'UTF8') AS payload, created_at AS created, NULL::timestamptz AS sent_at
FROM outbox_messages;
ALTER VIEW app_outbox ALTER COLUMN event_id SET DEFAULT gen_random_uuid();

CREATE FUNCTION app_outbox_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_messages (message_id, partition_key, type, body)
    VALUES (NEW.event_id, NEW.payload::json ->> 'account', NEW.type, convert_to(NEW.payload, 'UTF8'))
    RETURNING sequence, created_at INTO NEW.id, NEW.created;
    RETURN NEW;
END
$$;
CREATE TRIGGER app_outbox_insert INSTEAD OF INSERT ON app_outbox FOR EACH ROW EXECUTE FUNCTION app_outbox_insert();

-- Without it PostgreSQL would let a forgotten dispatcher delete rows of the outbox through the view.
CREATE FUNCTION app_outbox_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'app_outbox is a view: the relay sends its rows, stop the old dispatcher';
END
$$;
CREATE TRIGGER app_outbox_refuse INSTEAD OF UPDATE OR DELETE ON app_outbox FOR EACH ROW EXECUTE FUNCTION app_outbox_refuse();

COMMIT;

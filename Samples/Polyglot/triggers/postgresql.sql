-- Each new order writes its event. Programs that only know the table orders become producers; what locks the customer's row before keeps the order per key.
CREATE FUNCTION orders_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
    VALUES (gen_random_uuid(), outbox_partition(NEW.customer, 4), NEW.customer, NEW.number, 'sales.order-placed.v1',
        convert_to(json_build_object('customer', NEW.customer, 'number', NEW.number, 'sku', NEW.sku, 'quantity', NEW.quantity)::text, 'UTF8'));
    RETURN NULL;
END
$$;

CREATE TRIGGER orders_outbox AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION orders_to_outbox();

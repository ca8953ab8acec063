-- Each new order writes its event. Programs that only know the table orders become producers; what locks the customer's row before keeps the order per key.
CREATE TRIGGER orders_outbox AFTER INSERT ON orders FOR EACH ROW
INSERT INTO outbox_messages (message_id, `partition`, partition_key, key_sequence, type, body)
VALUES (uuid(), crc32(CONVERT(NEW.customer USING utf8mb4)) % 4, NEW.customer, NEW.number, 'sales.order-placed.v1',
    CONVERT(json_object('customer', NEW.customer, 'number', NEW.number, 'sku', NEW.sku, 'quantity', NEW.quantity) USING utf8mb4));

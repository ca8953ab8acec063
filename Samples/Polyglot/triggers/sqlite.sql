-- Each new order writes its event. Programs that only know the table orders become producers; they give the numbers of one customer in order.
CREATE TRIGGER orders_outbox AFTER INSERT ON orders
BEGIN
    INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
    SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
        partition, NEW.customer, NEW.number, 'sales.order-placed.v1',
        CAST(json_object('customer', NEW.customer, 'number', NEW.number, 'sku', NEW.sku, 'quantity', NEW.quantity) AS blob)
    FROM customers WHERE id = NEW.customer;
END;

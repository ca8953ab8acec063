-- An order and its event, in one transaction:
--   mysql --default-character-set=utf8mb4 sales -e "SET @customer = 'anna', @sku = 'tea', @quantity = 2; source mysql.sql"
START TRANSACTION;

-- The customer is the key. The lock on its row lasts until the commit: the events of one key are written one after the other.
UPDATE customers SET orders = orders + 1 WHERE id = @customer;

INSERT INTO orders (customer, number, sku, quantity)
SELECT id, orders, @sku, @quantity FROM customers WHERE id = @customer;

-- The word partition is reserved, so it is quoted. CONVERT: the bytes of key and body are to be UTF-8, whatever the connection speaks.
INSERT INTO outbox_messages (message_id, `partition`, partition_key, key_sequence, type, body)
SELECT uuid(), crc32(CONVERT(id USING utf8mb4)) % 4, id, orders, 'sales.order-placed.v1',
    CONVERT(json_object('customer', id, 'number', orders, 'sku', @sku, 'quantity', @quantity) USING utf8mb4)
FROM customers WHERE id = @customer;

-- The least that a row needs: no key, so no order is wanted.
INSERT INTO outbox_messages (message_id, type, body)
VALUES (uuid(), 'sales.stock-changed.v1', CONVERT(json_object('sku', @sku) USING utf8mb4));

COMMIT;

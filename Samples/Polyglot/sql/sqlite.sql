-- An order and its event, in one transaction:
--   sqlite3 -bail sales.db '.timeout 10000' ".parameter set @customer \"'anna'\"" ".parameter set @sku \"'tea'\"" '.parameter set @quantity 2' '.read sqlite.sql'
BEGIN IMMEDIATE;

-- The customer is the key. SQLite's writers take turns, so the order per key needs no lock of its own.
UPDATE customers SET orders = orders + 1 WHERE id = @customer;

INSERT INTO orders (customer, number, sku, quantity)
SELECT id, orders, @sku, @quantity FROM customers WHERE id = @customer;

INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    partition, id, orders, 'sales.order-placed.v1',
    CAST(json_object('customer', id, 'number', orders, 'sku', @sku, 'quantity', @quantity) AS blob)
FROM customers WHERE id = @customer;

-- The least that a row needs: no key, so no order is wanted.
INSERT INTO outbox_messages (message_id, type, body)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    'sales.stock-changed.v1', CAST(json_object('sku', @sku) AS blob);

COMMIT;

-- An order and its event, in one transaction:
--   psql "$DATABASE" -X -q -v ON_ERROR_STOP=1 -v customer=anna -v sku=tea -v quantity=2 -f postgresql.sql
BEGIN;

-- The customer is the key. The lock on its row lasts until the commit: the events of one key are written one after the other.
UPDATE customers SET orders = orders + 1 WHERE id = :'customer';

INSERT INTO orders (customer, number, sku, quantity)
SELECT id, orders, :'sku', :'quantity'::integer FROM customers WHERE id = :'customer';

INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
SELECT gen_random_uuid(), outbox_partition(id, 4), id, orders, 'sales.order-placed.v1',
    convert_to(json_build_object('customer', id, 'number', orders, 'sku', :'sku', 'quantity', :'quantity'::integer)::text, 'UTF8')
FROM customers WHERE id = :'customer';

-- The least that a row needs: no key, so no order is wanted.
INSERT INTO outbox_messages (message_id, type, body)
VALUES (gen_random_uuid(), 'sales.stock-changed.v1', convert_to(json_build_object('sku', :'sku')::text, 'UTF8'));

COMMIT;

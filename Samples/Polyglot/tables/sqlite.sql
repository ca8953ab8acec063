-- SQLite has no CRC-32: who registers a customer computes the partition of its key once, for the trigger and for sql/sqlite.sql.
CREATE TABLE customers (id text PRIMARY KEY, orders integer NOT NULL DEFAULT 0, partition integer NOT NULL DEFAULT 0);
CREATE TABLE orders (customer text NOT NULL, number integer NOT NULL, sku text NOT NULL, quantity integer NOT NULL, PRIMARY KEY (customer, number));
INSERT INTO customers (id, partition) VALUES ('anna', 3), ('ben', 1), ('zoë', 0);

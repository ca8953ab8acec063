CREATE TABLE customers (id varchar(50) PRIMARY KEY, orders integer NOT NULL DEFAULT 0);
CREATE TABLE orders (customer varchar(50) NOT NULL, number integer NOT NULL, sku varchar(50) NOT NULL, quantity integer NOT NULL, PRIMARY KEY (customer, number));
INSERT INTO customers (id) VALUES ('anna'), ('ben'), ('zoë');

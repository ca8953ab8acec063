CREATE TABLE customers (id nvarchar(50) COLLATE Latin1_General_100_BIN2 PRIMARY KEY, orders int NOT NULL DEFAULT 0);
CREATE TABLE orders (customer nvarchar(50) COLLATE Latin1_General_100_BIN2 NOT NULL, number int NOT NULL, sku nvarchar(50) NOT NULL, quantity int NOT NULL, PRIMARY KEY (customer, number));
INSERT INTO customers (id) VALUES (N'anna'), (N'ben'), (N'zoë');

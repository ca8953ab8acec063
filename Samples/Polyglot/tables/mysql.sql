SET NAMES utf8mb4;
CREATE TABLE customers (id varchar(50) PRIMARY KEY, orders int NOT NULL DEFAULT 0) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE orders (customer varchar(50) NOT NULL, number int NOT NULL, sku varchar(50) NOT NULL, quantity int NOT NULL, PRIMARY KEY (customer, number)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT INTO customers (id) VALUES ('anna'), ('ben'), ('zoë');

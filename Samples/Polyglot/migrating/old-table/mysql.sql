-- An outbox as many wrote it: a dispatcher of its own sends what has no sent_at.
CREATE TABLE app_outbox (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    event_id char(36) NOT NULL,
    type varchar(200) NOT NULL,
    payload longtext NOT NULL,
    created timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    sent_at timestamp NULL
) DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE accounts (id varchar(50) PRIMARY KEY, events int NOT NULL DEFAULT 0) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO accounts (id) VALUES ('a'), ('b'), ('c');

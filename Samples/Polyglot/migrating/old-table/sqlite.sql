-- An outbox as many wrote it: a dispatcher of its own sends what has no sent_at.
PRAGMA journal_mode = WAL;
CREATE TABLE app_outbox (
    id integer PRIMARY KEY AUTOINCREMENT,
    event_id text NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    created text NOT NULL DEFAULT CURRENT_TIMESTAMP,
    sent_at text
);
CREATE TABLE accounts (id text PRIMARY KEY, events integer NOT NULL DEFAULT 0);
INSERT INTO accounts (id) VALUES ('a'), ('b'), ('c');

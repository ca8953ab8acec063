-- An outbox as many wrote it: a dispatcher of its own sends what has no sent_at.
CREATE TABLE app_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    type varchar(200) NOT NULL,
    payload text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE TABLE accounts (id varchar(50) PRIMARY KEY, events integer NOT NULL DEFAULT 0);
INSERT INTO accounts (id) VALUES ('a'), ('b'), ('c');

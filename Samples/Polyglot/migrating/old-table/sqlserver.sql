-- An outbox as many wrote it: a dispatcher of its own sends what has no sent_at.
CREATE TABLE app_outbox (
    id bigint IDENTITY PRIMARY KEY,
    event_id uniqueidentifier NOT NULL DEFAULT NEWID(),
    type nvarchar(200) NOT NULL,
    payload nvarchar(max) NOT NULL,
    created datetime2 NOT NULL DEFAULT SYSUTCDATETIME(),
    sent_at datetime2 NULL
);
CREATE TABLE accounts (id nvarchar(50) PRIMARY KEY, events int NOT NULL DEFAULT 0);
INSERT INTO accounts (id) VALUES (N'a'), (N'b'), (N'c');

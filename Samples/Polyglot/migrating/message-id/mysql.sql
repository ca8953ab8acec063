-- The id that an inbox of ours makes of an id that is no UUID.
CREATE FUNCTION outbox_message_id(id varchar(200) CHARACTER SET utf8mb4) RETURNS char(36) DETERMINISTIC NO SQL
RETURN concat(
    substr(sha2(id, 256), 1, 8), '-', substr(sha2(id, 256), 9, 4), '-8', substr(sha2(id, 256), 14, 3), '-',
    substr('89ab', conv(substr(sha2(id, 256), 17, 1), 16, 10) % 4 + 1, 1), substr(sha2(id, 256), 18, 3), '-', substr(sha2(id, 256), 21, 12));

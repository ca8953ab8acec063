-- The id that an inbox of ours makes of an id that is no UUID.
CREATE OR REPLACE FUNCTION outbox_message_id(id text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(set_byte(set_byte(substr(hash, 1, 16), 6, (get_byte(hash, 6) & 15) | 128), 8, (get_byte(hash, 8) & 63) | 128), 'hex')::uuid
    FROM (SELECT sha256(convert_to(id, 'UTF8'))) AS digest (hash)
$$;

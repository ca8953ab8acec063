-- The partition of a key: CRC-32 (ISO-HDLC, as in zlib) of its UTF-8 bytes, modulo the number of partitions.
CREATE OR REPLACE FUNCTION outbox_partition(key text, partitions integer) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    bytes bytea := convert_to(coalesce(key, ''), 'UTF8');
    crc bigint := 4294967295;
BEGIN
    FOR i IN 0 .. length(bytes) - 1 LOOP
        crc := crc # get_byte(bytes, i);
        FOR shift IN 1 .. 8 LOOP
            crc := (crc >> 1) # (crc & 1) * 3988292384;
        END LOOP;
    END LOOP;
    RETURN (crc # 4294967295) % partitions;
END
$$;

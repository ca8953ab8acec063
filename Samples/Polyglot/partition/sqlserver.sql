-- The partition of a key: CRC-32 (ISO-HDLC, as in zlib) of its UTF-8 bytes, modulo the number of partitions.
CREATE OR ALTER FUNCTION dbo.outbox_partition(@key nvarchar(200), @partitions int) RETURNS smallint AS
BEGIN
    DECLARE @bytes varbinary(800) = CAST(CAST(@key COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(800)) AS varbinary(800));
    DECLARE @crc bigint = 4294967295, @polynomial bigint = 3988292384, @ones bigint = 4294967295, @at int = 1, @shift int;
    WHILE @at <= DATALENGTH(@bytes)
    BEGIN
        SET @crc = @crc ^ CAST(SUBSTRING(@bytes, @at, 1) AS bigint);
        SET @shift = 0;
        WHILE @shift < 8
        BEGIN
            SET @crc = (@crc / 2) ^ ((@crc & 1) * @polynomial);
            SET @shift += 1;
        END;
        SET @at += 1;
    END;
    RETURN (@crc ^ @ones) % @partitions;
END;

-- The id that an inbox of ours makes of an id that is no UUID.
CREATE OR ALTER FUNCTION dbo.outbox_message_id(@id nvarchar(200)) RETURNS uniqueidentifier AS
BEGIN
    DECLARE @hash char(64) = LOWER(CONVERT(char(64), HASHBYTES('SHA2_256', CAST(@id COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(800))), 2));
    RETURN CAST(CONCAT(
        SUBSTRING(@hash, 1, 8), '-', SUBSTRING(@hash, 9, 4), '-8', SUBSTRING(@hash, 14, 3), '-',
        SUBSTRING('89ab', (CHARINDEX(SUBSTRING(@hash, 17, 1), '0123456789abcdef') - 1) % 4 + 1, 1), SUBSTRING(@hash, 18, 3), '-', SUBSTRING(@hash, 21, 12)) AS uniqueidentifier);
END;

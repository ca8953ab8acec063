-- An order and its event, in one transaction:
--   sqlcmd -d sales -b -I -f 65001 -v customer=anna sku=tea quantity=2 -i sqlserver.sql
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @customer nvarchar(50) = N'$(customer)', @sku nvarchar(50) = N'$(sku)', @quantity int = N'$(quantity)', @number int;

BEGIN TRANSACTION;

-- The customer is the key. The lock on its row lasts until the commit: the events of one key are written one after the other.
UPDATE customers SET @number = orders = orders + 1 WHERE id = @customer;
IF @number IS NULL THROW 50002, N'There is no such customer.', 1;

INSERT INTO orders (customer, number, sku, quantity) VALUES (@customer, @number, @sku, @quantity);

-- The body is UTF-8: cast straight to varbinary, nvarchar would be UTF-16.
DECLARE @body nvarchar(max) = (SELECT @customer AS customer, @number AS number, @sku AS sku, @quantity AS quantity FOR JSON PATH, WITHOUT_ARRAY_WRAPPER);
INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
VALUES (NEWID(), dbo.outbox_partition(@customer, 4), @customer, @number, N'sales.order-placed.v1',
    CAST(CAST(@body COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max)));

-- The least that a row needs: no key, so no order is wanted.
SET @body = (SELECT @sku AS sku FOR JSON PATH, WITHOUT_ARRAY_WRAPPER);
INSERT INTO outbox_messages (message_id, type, body)
VALUES (NEWID(), N'sales.stock-changed.v1', CAST(CAST(@body COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max)));

COMMIT TRANSACTION;

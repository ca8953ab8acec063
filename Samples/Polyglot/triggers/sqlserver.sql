-- Each new order writes its event. Programs that only know the table orders become producers; what locks the customer's row before keeps the order per key.
-- A statement may insert many orders: ORDER BY gives their events numbers in that order.
CREATE TRIGGER orders_outbox ON orders AFTER INSERT AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, body)
    SELECT NEWID(), dbo.outbox_partition(o.customer, 4), o.customer, o.number, N'sales.order-placed.v1',
        CAST(CAST(json.body COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max))
    FROM inserted AS o
    CROSS APPLY (SELECT (SELECT o.customer AS customer, o.number AS number, o.sku AS sku, o.quantity AS quantity FOR JSON PATH, WITHOUT_ARRAY_WRAPPER) AS body) AS json
    ORDER BY o.customer, o.number;
END;

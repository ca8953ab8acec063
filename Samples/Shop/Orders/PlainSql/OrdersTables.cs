namespace Shop.Orders.PlainSql;

/// <summary>The service's own tables, the same as in the migrations. Those of the outbox come from <c>broker schema</c>.</summary>
internal static class OrdersTables
{
    public const string Script =
        """
        CREATE TABLE IF NOT EXISTS orders (
            id char(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
            customer_id varchar(100) NOT NULL,
            number int NOT NULL,
            sku varchar(100) NOT NULL,
            quantity int NOT NULL,
            cents bigint NOT NULL,
            is_confirmed boolean NOT NULL DEFAULT false,
            is_rejected boolean NOT NULL DEFAULT false,
            UNIQUE KEY ix_orders_customer_id_number (customer_id, number)
        );
        CREATE TABLE IF NOT EXISTS numbers (
            customer_id varchar(100) NOT NULL PRIMARY KEY,
            last int NOT NULL
        );
        """;
}

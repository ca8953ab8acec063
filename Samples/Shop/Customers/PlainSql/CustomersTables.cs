namespace Shop.Customers.PlainSql;

/// <summary>The service's own tables, the same as in the migrations. Those of the outbox come from <c>broker schema</c>.</summary>
internal static class CustomersTables
{
    public const string Script =
        """
        CREATE TABLE IF NOT EXISTS accounts (
            customer_id varchar(100) NOT NULL PRIMARY KEY,
            orders int NOT NULL,
            cents bigint NOT NULL,
            last_number int NOT NULL,
            out_of_order int NOT NULL
        );
        CREATE TABLE IF NOT EXISTS payments (
            order_id char(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
            customer_id varchar(100) NOT NULL,
            cents bigint NOT NULL
        );
        """;
}

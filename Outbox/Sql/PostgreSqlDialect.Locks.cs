namespace Outbox.Sql;

/// <summary>Locks.</summary>
internal sealed partial class PostgreSqlDialect
{
    private const string LockTables =
        """
        CREATE TABLE IF NOT EXISTS fences (
            name character varying(200) NOT NULL,
            token bigint NOT NULL,
            CONSTRAINT pk_fences PRIMARY KEY (name)
        );
        """;

    // Should the lease's row have been lost, its token goes on from the fence's.
    private const string NextToken = "coalesce((SELECT token FROM fences WHERE name = @name), 0) + 1";

    internal override string AcquireLock =>
        $"""
        WITH taken AS (
            INSERT INTO leases AS held (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, {NextToken}, {Expiry}, clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = greatest(held.token + 1, excluded.token), expires_at = {Expiry}, acquired_at = clock_timestamp()
            WHERE held.expires_at <= clock_timestamp()
            RETURNING token)
        INSERT INTO fences AS fence (name, token) SELECT @name, token FROM taken
        ON CONFLICT (name) DO UPDATE SET token = greatest(fence.token, excluded.token)
        RETURNING token
        """;

    // Only a row that fits is locked.
    internal override string? ReadFence => "SELECT token FROM fences WHERE name = @name AND token >= @token FOR SHARE";

    internal override string RaiseFence =>
        """
        INSERT INTO fences AS fence (name, token) VALUES (@name, @token)
        ON CONFLICT (name) DO UPDATE SET token = greatest(fence.token, excluded.token)
        RETURNING token
        """;

    private protected override string Ended => "'-infinity'";
}

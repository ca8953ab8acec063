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

    // Nobody waits for the disk. What a crash forgets was given by a clock that goes on: the next token is higher than the forgotten one, whose holder learns of it at its renewal and is refused by its guard.
    private const string WithoutWaitingForTheDisk = "set_config('synchronous_commit', 'off', true)";

    private const string ClockToken = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

    internal override string AcquireLock =>
        $"""
        WITH taken AS (
            INSERT INTO leases AS held (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, {ClockToken}, {Expiry}, clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = greatest(held.token + 1, excluded.token), expires_at = {Expiry}, acquired_at = clock_timestamp()
            WHERE held.expires_at <= clock_timestamp()
            RETURNING token)
        INSERT INTO fences AS fence (name, token) SELECT @name, token FROM taken
        ON CONFLICT (name) DO UPDATE SET token = greatest(fence.token, excluded.token)
        RETURNING token, {WithoutWaitingForTheDisk}
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

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

    internal override bool PreparesStatements => true;

    // It locks no row that it leaves alone: one that is held may be guarded by a transaction for long. The token is part of a unique key, so changing it waits for those who hold that.
    private string TakeFreeLock =>
        $"""
        UPDATE leases SET owner = @owner, token = greatest(token + 1, {ClockToken}), expires_at = {Expiry}, acquired_at = clock_timestamp()
        WHERE name = @name AND expires_at <= clock_timestamp()
        """;

    internal override string? RetakeLock => $"{TakeFreeLock} RETURNING token, {WithoutWaitingForTheDisk}";

    internal override string AcquireLock =>
        $"""
        WITH taken AS ({TakeFreeLock} RETURNING token),
        made AS (
            INSERT INTO leases (name, owner, token, expires_at, acquired_at)
            SELECT @name, @owner, {ClockToken}, {Expiry}, clock_timestamp() WHERE NOT EXISTS (SELECT FROM leases WHERE name = @name)
            ON CONFLICT DO NOTHING RETURNING token)
        SELECT token, {WithoutWaitingForTheDisk} FROM (SELECT token FROM taken UNION ALL SELECT token FROM made) AS held
        """;

    // A renewal changes no key, so it goes on meanwhile.
    internal override string? ReadLease => "SELECT token FROM leases WHERE name = @name AND token >= @token FOR KEY SHARE";

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

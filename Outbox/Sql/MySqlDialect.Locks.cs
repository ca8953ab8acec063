namespace Outbox.Sql;

/// <summary>Locks.</summary>
internal sealed partial class MySqlDialect
{
    private const string LockTables =
        """
        CREATE TABLE IF NOT EXISTS fences (
            name varchar(200) NOT NULL,
            token bigint NOT NULL,
            CONSTRAINT pk_fences PRIMARY KEY (name)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        """;

    // One call and one commit. As AcquireLease; should the lease's row have been lost, its token goes on from the fence's.
    internal override string AcquireLock =>
        $"""
        START TRANSACTION;
        INSERT INTO leases (name, owner, token, expires_at, acquired_at)
            VALUES (@name, @owner, LAST_INSERT_ID(coalesce((SELECT f.token FROM fences f WHERE f.name = @name), 0) + 1), {Expiry}, utc_timestamp(6))
        ON DUPLICATE KEY UPDATE token = IF(expires_at <= utc_timestamp(6), LAST_INSERT_ID(token + 1), token + 0 * LAST_INSERT_ID(0)),
            owner = IF(expires_at <= utc_timestamp(6), @owner, owner),
            acquired_at = IF(expires_at <= utc_timestamp(6), utc_timestamp(6), acquired_at),
            expires_at = IF(expires_at <= utc_timestamp(6), {Expiry}, expires_at);
        INSERT INTO fences (name, token) SELECT @name, LAST_INSERT_ID() FROM DUAL WHERE LAST_INSERT_ID() > 0
        ON DUPLICATE KEY UPDATE token = greatest(fences.token, LAST_INSERT_ID());
        COMMIT;
        SELECT CAST(LAST_INSERT_ID() AS SIGNED) FROM DUAL WHERE LAST_INSERT_ID() > 0
        """;

    internal override string? UndoAcquireLock => "ROLLBACK";

    internal override string? ReadFence => "SELECT token FROM fences WHERE name = @name AND token >= @token LOCK IN SHARE MODE";

    internal override string RaiseFence =>
        """
        INSERT INTO fences (name, token) VALUES (@name, @token) ON DUPLICATE KEY UPDATE token = greatest(token, @token);
        SELECT token FROM fences WHERE name = @name FOR UPDATE
        """;

    private protected override string Ended => "'1970-01-01'";
}

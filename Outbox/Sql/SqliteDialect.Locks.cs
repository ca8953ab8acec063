namespace Outbox.Sql;

/// <summary>Locks.</summary>
internal sealed partial class SqliteDialect
{
    private const string LockTables =
        """
        CREATE TABLE IF NOT EXISTS fences (
            name TEXT NOT NULL CONSTRAINT pk_fences PRIMARY KEY,
            token INTEGER NOT NULL
        );
        """;

    // A statement writes one table only, and a call costs nothing.
    internal override bool AcquiresLockAtOnce => false;

    // Opening a file costs little, and an open one cannot be moved away.
    internal override bool KeepsLockConnections => false;

    internal override string? PrepareAcquireLock => Patience;

    // Should the lease's row have been lost, its token goes on from the fence's.
    internal override string AcquireLock =>
        $"""
        INSERT INTO leases (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, coalesce((SELECT token FROM fences WHERE name = @name), 0) + 1, {Expiry}, {Now})
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = max(leases.token + 1, excluded.token), expires_at = {Expiry}, acquired_at = {Now}
        WHERE leases.expires_at <= {Now}
        RETURNING token
        """;

    // Reading keeps nobody from writing; the first write makes the transaction the only one that does, or fails.
    internal override string? ReadFence => null;

    internal override string RaiseFence =>
        """
        INSERT INTO fences (name, token) VALUES (@name, @token)
        ON CONFLICT (name) DO UPDATE SET token = max(fences.token, excluded.token)
        RETURNING token
        """;

    private protected override string Ended => "''";
}

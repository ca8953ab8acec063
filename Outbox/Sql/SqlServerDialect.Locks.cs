namespace Outbox.Sql;

/// <summary>Locks.</summary>
internal sealed partial class SqlServerDialect
{
    private const string LockTables =
        """
        IF OBJECT_ID(N'fences', N'U') IS NULL
        CREATE TABLE fences (
            name nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            token bigint NOT NULL,
            CONSTRAINT pk_fences PRIMARY KEY CLUSTERED (name)
        );
        """;

    // As AcquireLease; should the lease's row have been lost, its token goes on from the fence's.
    internal override string AcquireLock =>
        $"""
        {Plain}
        SET NOCOUNT ON;
        SET XACT_ABORT ON;
        DECLARE @taken TABLE (token bigint NOT NULL);
        BEGIN TRANSACTION;
        UPDATE leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET owner = @owner, token = token + 1, expires_at = {Expiry}, acquired_at = SYSUTCDATETIME()
        OUTPUT inserted.token INTO @taken (token)
        WHERE name = @name AND expires_at <= SYSUTCDATETIME();
        IF @@ROWCOUNT = 0
            INSERT INTO leases (name, owner, token, expires_at, acquired_at)
            OUTPUT inserted.token INTO @taken (token)
            SELECT @name, @owner, COALESCE((SELECT token FROM fences WHERE name = @name), 0) + 1, {Expiry}, SYSUTCDATETIME()
            WHERE NOT EXISTS (SELECT 1 FROM leases WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
        IF EXISTS (SELECT 1 FROM @taken)
        BEGIN
            UPDATE fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET token = (SELECT token FROM @taken) WHERE name = @name AND token < (SELECT token FROM @taken);
            IF @@ROWCOUNT = 0
                INSERT INTO fences (name, token)
                SELECT @name, token FROM @taken WHERE NOT EXISTS (SELECT 1 FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
        END;
        COMMIT TRANSACTION;
        SELECT token FROM @taken;
        """;

    // REPEATABLEREAD keeps the lock on the row until the transaction has ended, also with READ_COMMITTED_SNAPSHOT on.
    internal override string? ReadFence => "SELECT token FROM fences WITH (REPEATABLEREAD, ROWLOCK) WHERE name = @name AND token >= @token";

    internal override string RaiseFence =>
        """
        UPDATE fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) SET token = @token WHERE name = @name AND token <= @token;
        IF @@ROWCOUNT = 0
            INSERT INTO fences (name, token) SELECT @name, @token WHERE NOT EXISTS (SELECT 1 FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name);
        SELECT token FROM fences WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE name = @name;
        """;

    private protected override string Ended => "'19700101'";
}

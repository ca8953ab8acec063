using System.Globalization;
using System.Text;

namespace Outbox.Sql;

internal sealed class SqliteDialect : SqlDialect
{
    public override string Name => "Sqlite";

    internal override string ConnectionType => "Microsoft.Data.Sqlite.SqliteConnection";

    // One writer at a time holds the file from its first write to its commit.
    internal override bool CommitsInSequenceOrder => true;

    private const string Now = "strftime('%Y-%m-%d %H:%M:%f', 'now')";

    // AUTOINCREMENT: without it the number of a deleted last row is given out again.
    internal override string CreateTables =>
        $"""
        PRAGMA journal_mode = WAL;
        BEGIN IMMEDIATE;

        CREATE TABLE IF NOT EXISTS outbox_messages (
            sequence INTEGER NOT NULL CONSTRAINT pk_outbox_messages PRIMARY KEY AUTOINCREMENT,
            message_id TEXT NOT NULL,
            partition INTEGER NOT NULL DEFAULT 0,
            partition_key TEXT NULL,
            key_sequence INTEGER NULL,
            type TEXT NOT NULL,
            headers TEXT NULL,
            content_type TEXT NOT NULL DEFAULT 'application/json',
            body BLOB NOT NULL,
            created_at TEXT NOT NULL DEFAULT ({Now}),
            not_before TEXT NULL,
            expires_at TEXT NULL
        );

        CREATE TABLE IF NOT EXISTS leases (
            name TEXT NOT NULL CONSTRAINT pk_leases PRIMARY KEY,
            owner TEXT NOT NULL,
            token INTEGER NOT NULL,
            expires_at TEXT NOT NULL
        );
        CREATE UNIQUE INDEX IF NOT EXISTS ux_leases_name_token ON leases (name, token);

        CREATE TABLE IF NOT EXISTS inbox_messages (
            consumer TEXT NOT NULL,
            message_id TEXT NOT NULL,
            operation TEXT NOT NULL DEFAULT '',
            received_at TEXT NOT NULL DEFAULT ({Now}),
            CONSTRAINT pk_inbox_messages PRIMARY KEY (consumer, message_id, operation)
        );

        CREATE TABLE IF NOT EXISTS dead_letters (
            id INTEGER NOT NULL CONSTRAINT pk_dead_letters PRIMARY KEY AUTOINCREMENT,
            side TEXT NOT NULL,
            consumer TEXT NOT NULL DEFAULT '',
            source TEXT NULL,
            message_id TEXT NULL,
            original_id TEXT NULL,
            type TEXT NULL,
            partition_key TEXT NULL,
            headers TEXT NULL,
            content_type TEXT NULL,
            body BLOB NOT NULL,
            reason TEXT NOT NULL,
            error TEXT NULL,
            attempts INTEGER NOT NULL,
            first_failed_at TEXT NOT NULL DEFAULT ({Now}),
            last_failed_at TEXT NOT NULL DEFAULT ({Now}),
            state TEXT NOT NULL DEFAULT 'dead'
        );
        CREATE UNIQUE INDEX IF NOT EXISTS ux_dead_letters_message ON dead_letters (side, consumer, message_id);

        COMMIT;
        """;

    // WAL lets the relay read while services write; it is a property of the file and stays. Nothing else may be set here that changes what a commit means: with the relay in the service,
    // the pool hands this connection to the service too.
    internal override string PrepareRelayConnection => $"{Patience}; PRAGMA journal_mode = WAL";

    // The driver looks at a busy file only every 150 ms and so never gets its turn beside a service that writes all the time: leases ran out. SQLite itself looks after 1, 2, 5 … 100 ms.
    private const string Patience = "PRAGMA busy_timeout = 1000";

    private const string Columns =
        $"""
        sequence, message_id, partition_key, key_sequence, type, headers, content_type, body, created_at,
        CASE WHEN not_before > {Now} THEN (julianday(not_before) - julianday('now')) * 86400.0 END,
        coalesce(expires_at <= {Now}, 0)
        """;

    internal override string ReadMessages => $"SELECT {Columns} FROM outbox_messages WHERE sequence > @after AND partition = @partition ORDER BY sequence LIMIT @limit";

    internal override string FetchMessages => $"SELECT {Columns} FROM outbox_messages WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition ORDER BY sequence";

    internal override string SettleMessages =>
        """
        DELETE FROM outbox_messages WHERE sequence IN (SELECT value FROM json_each(@sequences)) AND partition = @partition
        AND EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token)
        """;

    internal override string? ReadLastSequence => null;

    internal override string? ListWriters => null;

    internal override object SequencesParameter(IReadOnlyList<long> sequences)
    {
        var json = new StringBuilder("[");
        for (var i = 0; i < sequences.Count; i++)
            json.Append(i == 0 ? "" : ",").Append(sequences[i].ToString(CultureInfo.InvariantCulture));
        return json.Append(']').ToString();
    }

    private const string Expiry = "strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || (@milliseconds / 1000.0) || ' seconds')";

    internal override string AcquireLease =>
        $"""
        INSERT INTO leases (name, owner, token, expires_at) VALUES (@name, @owner, 1, {Expiry})
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = leases.token + 1, expires_at = {Expiry}
        WHERE leases.expires_at <= {Now}
        RETURNING token
        """;

    internal override string RenewLease => $"{Patience}; UPDATE leases SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"{Patience}; UPDATE leases SET expires_at = '' WHERE name = @name AND token = @token";

    internal override string DeleteOldInbox =>
        "DELETE FROM inbox_messages WHERE rowid IN (SELECT rowid FROM inbox_messages WHERE received_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || @seconds || ' seconds') LIMIT @limit)";

    internal override string InsertDeadLetter =>
        $"""
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts)
        VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts)
        ON CONFLICT (side, consumer, message_id) DO UPDATE SET reason = excluded.reason, error = excluded.error,
            attempts = dead_letters.attempts + excluded.attempts, last_failed_at = {Now}, state = 'dead'
        """;
}

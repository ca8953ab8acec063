using System.Data.Common;

namespace Outbox.Sql;

internal sealed partial class PostgreSqlDialect
{
    // A channel belongs to the whole database, so it is named by the table's own number: outboxes in two schemas do not wake each other's relays.
    // The lock waits for writers, and new writers behind it: not for long.
    internal override string CreateNotify =>
        $"""
        {BeginNotify}
        CREATE OR REPLACE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_catalog.pg_notify(pg_catalog.concat('outbox_', TG_RELID), '');
            RETURN NULL;
        END $$;
        DO $$
        BEGIN
            IF NOT EXISTS ({FindNotify}) THEN
                DROP TRIGGER IF EXISTS outbox_notify ON outbox_messages;
                CREATE TRIGGER outbox_notify AFTER INSERT ON outbox_messages FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();
            END IF;
        END $$;
        COMMIT
        """;

    internal override string DropNotify =>
        $"""
        {BeginNotify}
        DROP TRIGGER IF EXISTS outbox_notify ON outbox_messages;
        DROP FUNCTION IF EXISTS outbox_notify();
        COMMIT
        """;

    // LISTEN takes no expression.
    internal override string Listen =>
        $"""
        DO $$ BEGIN EXECUTE 'LISTEN outbox_' || 'outbox_messages'::regclass::oid; END $$;
        SELECT EXISTS ({FindNotify})
        """;

    internal override string Unlisten => "UNLISTEN *";

    // In the schema of the table, wherever the search path found it: what is made there is found there again.
    private static string BeginNotify =>
        """
        BEGIN;
        SET LOCAL lock_timeout = '3s';
        SELECT pg_advisory_xact_lock(7021860273504851);
        SELECT set_config('search_path', (SELECT quote_ident(n.nspname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = 'outbox_messages'::regclass), true);
        """;

    private static string FindNotify => "SELECT 1 FROM pg_trigger WHERE tgrelid = 'outbox_messages'::regclass AND tgname = 'outbox_notify' AND tgenabled IN ('O', 'A')";

    // ADO.NET has no notifications, and this assembly references no driver: its two members are found by name, and so a service's own connections serve as well as the worker's.
    internal override void WhenNotified(DbConnection connection, Action notified)
    {
        EventHandler handler = (_, _) => notified();
        var notification = connection.GetType().GetEvent("Notification") ?? throw CannotListen(connection);
        notification.AddEventHandler(connection, Delegate.CreateDelegate(notification.EventHandlerType!, handler.Target, handler.Method));
    }

    internal override Task<bool> WaitForNotificationAsync(DbConnection connection, TimeSpan longest, CancellationToken cancellationToken) =>
        (connection.GetType().GetMethod("WaitAsync", [typeof(TimeSpan), typeof(CancellationToken)]) ?? throw CannotListen(connection))
        .CreateDelegate<Func<TimeSpan, CancellationToken, Task<bool>>>(connection)(longest, cancellationToken);

    private static OutboxConfigurationException CannotListen(DbConnection connection) =>
        new($"{connection.GetType().FullName} cannot wait for notifications: it has no event Notification, or no WaitAsync(TimeSpan, CancellationToken). Use Npgsql 5 or later, or leave Notify off.");
}

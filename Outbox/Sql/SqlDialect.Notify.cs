using System.Data.Common;

namespace Outbox.Sql;

/// <content>How the database itself tells relays of commits, where it can.</content>
public abstract partial class SqlDialect
{
    /// <summary>Makes every insert into the outbox tell those who <see cref="Listen"/>, at its commit. Safe to run again. Null where the engine cannot.</summary>
    internal virtual string? CreateNotify => null;

    /// <summary>Ends that. Safe to run again.</summary>
    internal virtual string? DropNotify => null;

    /// <summary>From now on this connection hears of commits. One value: whether inserts tell of them. Safe to run again.</summary>
    internal virtual string? Listen => null;

    /// <summary>Ends that.</summary>
    internal virtual string? Unlisten => null;

    /// <summary>Says what to do for each notification that a connection hears, while it waits for one or at any other command.</summary>
    internal virtual void WhenNotified(DbConnection connection, Action notified) => throw new NotSupportedException($"{Name} has no notifications.");

    /// <summary>Waits until a connection that listens hears something. False: it heard nothing in time, and can be used on.</summary>
    internal virtual Task<bool> WaitForNotificationAsync(DbConnection connection, TimeSpan longest, CancellationToken cancellationToken) => throw new NotSupportedException($"{Name} has no notifications.");

    /// <summary>Refuses engines that have no notifications.</summary>
    /// <param name="setting">What asked for them, for the message.</param>
    /// <exception cref="OutboxConfigurationException">This is such an engine.</exception>
    internal void CheckNotify(string setting)
    {
        if (Listen is null)
            throw new OutboxConfigurationException($"{setting}: {Name} has no LISTEN and NOTIFY. Only {string.Join(", ", All.Where(d => d.Listen is not null))} has; leave it out here. The doorbell and the relay's own looking serve every engine.");
    }
}

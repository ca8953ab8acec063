using System.Data.Common;
using Outbox;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>A database whose outbox is relayed, and where to.</summary>
public sealed class RelaySource
{
    /// <summary>Name of the source; it travels with each message.</summary>
    public required string Name { get; init; }

    /// <summary>The engine.</summary>
    public required SqlDialect Dialect { get; init; }

    /// <summary>The database.</summary>
    public required DbDataSource DataSource { get; init; }

    /// <summary>The transport that carries its messages.</summary>
    public required ITransport Transport { get; init; }

    /// <summary>The exchange that its messages go to.</summary>
    /// <value>Default: <c>events</c>.</value>
    public string Exchange { get; init; } = OutboxOptions.DefaultExchange;

    /// <summary>Settings of its relay.</summary>
    public RelayOptions Options { get; init; } = new();

    /// <summary>Whether its relay hears the doorbell: commits of other processes wake it at once.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool Doorbell { get; init; } = true;

    /// <summary>Whether the database itself wakes its relay, by NOTIFY: PostgreSQL alone, and only after <c>broker schema --set-notify on</c>.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    /// <remarks>For commits of programs that ring no doorbell. It takes one more connection, and costs the writers much of their commit rate: see docs/performance.md.</remarks>
    public bool Notify { get; init; }

    /// <summary>Raised when rows were, or may soon be, committed in this process.</summary>
    internal OutboxSignal Signal { get; init; } = new();

    /// <summary>How its relay in this process stands.</summary>
    internal SourceState State
    {
        get
        {
            if (field is null)
                Interlocked.CompareExchange(ref field, new SourceState(Name, Dialect), null);
            return field;
        }
    }
}

using System.ComponentModel.DataAnnotations;
using Outbox.Messages;
using Outbox.Receipts;

namespace Outbox;

/// <summary>Settings of one outbox: one service's database.</summary>
public sealed class OutboxOptions
{
    /// <summary>Most partitions an outbox can have. The number is in the database, begins with 1, and is changed by <c>broker schema --set-partitions</c>.</summary>
    /// <remarks>Partitions are the unit that relays share among each other: more of them spread one database's outbox over more nodes, at the price of a lease and a channel each.</remarks>
    public const int MaxPartitions = 1_024;

    /// <summary>Name of the source; it travels with each message.</summary>
    /// <value>Default: the context's class name in kebab case without "Context", so <c>OrdersContext</c> gives <c>orders</c>.</value>
    [Required, StringLength(100, MinimumLength = 1)]
    [RegularExpression("^[a-z0-9]+([.-][a-z0-9]+)*$", ErrorMessage = "Source must be lower-case words of letters, digits, dots and hyphens.")]
    public string Source { get; set; } = "";

    /// <summary>The exchange that messages go to and that consumers bind their queues to.</summary>
    /// <value>Default: <c>events</c>, a durable topic exchange; the routing key is the message type.</value>
    [Required, StringLength(100, MinimumLength = 1)]
    public string Exchange { get; set; } = DefaultExchange;

    /// <summary>Whether commits are told at once to relays in other processes, by a small message that is not kept (exchange <c>outbox.doorbell</c>), and heard by the relay of this one.</summary>
    /// <value>Default: <see langword="true"/>. It takes part while the host runs.</value>
    /// <remarks>At most 100 a second from each process that writes, none from one that drains all partitions itself. Without it, or while the broker is away, relays look by themselves, an idle one about once a second. It never delays or fails a commit.</remarks>
    public bool Doorbell { get; set; } = true;

    /// <summary>Whether the database itself wakes the relay of this process, by NOTIFY: PostgreSQL alone, and only after <c>broker schema --set-notify on</c>.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    /// <remarks>For commits of programs that ring no doorbell. It takes one more connection, and costs the writers much of their commit rate: see docs/performance.md.</remarks>
    public bool Notify { get; set; }

    /// <summary>The message classes that this service writes or reads.</summary>
    /// <remarks>Handled classes are added by themselves; add the written ones too to have their names checked at start.</remarks>
    public MessageTypeRegistry MessageTypes { get; } = new();

    /// <summary>Reads and writes bodies.</summary>
    /// <value>Default: <see cref="JsonMessageSerializer"/>.</value>
    [Required]
    public IMessageSerializer Serializer { get; set; } = new JsonMessageSerializer();

    /// <summary>Settings of the locks that are kept in this database.</summary>
    public Locks.LockOptions Locks { get; } = new();

    /// <summary>Settings of the receipts that come back, if they are wanted.</summary>
    internal ReceiptOptions? Receipts { get; set; }

    internal const string DefaultExchange = "events";

    internal void Validate()
    {
        var results = new List<ValidationResult>();
        if (!Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true))
            throw new OutboxConfigurationException($"Outbox '{Source}': {string.Join(" ", results.Select(r => r.ErrorMessage))}");
    }
}

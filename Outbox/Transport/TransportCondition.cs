namespace Outbox.Transport;

/// <summary>The conditions of a connection to a broker.</summary>
internal enum TransportCondition
{
    /// <summary>Nobody has used it yet.</summary>
    Unused,

    /// <summary>It is open.</summary>
    Connected,

    /// <summary>The broker takes no messages: an alarm of memory or disk.</summary>
    Blocked,

    /// <summary>It could not be made, or was lost.</summary>
    Away,
}

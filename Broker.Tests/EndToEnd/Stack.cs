namespace Broker.Tests.EndToEnd;

/// <summary>What a service stands on.</summary>
public enum Stack
{
    /// <summary>The transport in memory, and SQLite: nothing installed.</summary>
    Embedded,

    /// <summary>RabbitMQ and PostgreSQL.</summary>
    Servers,
}

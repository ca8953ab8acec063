using System.Text.Json.Serialization;
using Shop.Customers;
using Shop.Orders;

namespace Shop.Hosting;

/// <summary>What one service has to be told.</summary>
internal sealed record ServiceSettings
{
    /// <summary>orders, stock or customers; the name of its source and of its consumer too.</summary>
    public required string Service { get; init; }

    public required DatabaseEngine Database { get; init; }

    public required string ConnectionString { get; init; }

    /// <summary>Null when everything runs in one process.</summary>
    public required string? RabbitMq { get; init; }

    public required string Exchange { get; init; }

    /// <summary>The queue of its consumer.</summary>
    public required string Queue { get; init; }

    /// <summary>The queues of all its consumers.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Queues => Service switch
    {
        "orders" => [Queue, QueueOf(Checkout.Name)],
        "customers" => [Queue, QueueOf(CustomersService.Payments)],
        _ => [Queue],
    };

    /// <summary>The queue of a further consumer.</summary>
    public string QueueOf(string consumer) => $"{Queue}-{consumer}";

    /// <summary>Where it says that it is up, and what it has counted.</summary>
    public required string StatusFile { get; init; }

    /// <summary>Entity Framework 10 has no provider for MySQL.</summary>
    public bool UsesEntityFramework => Database != DatabaseEngine.MySql;

    /// <summary>SQLite has one writer at a time; more workers would only wait for each other.</summary>
    public int Concurrency => Database == DatabaseEngine.Sqlite ? 1 : 8;
}

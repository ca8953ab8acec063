using Shop.Hosting;

namespace Shop.Conductor;

internal sealed record RunOptions
{
    public required int Orders { get; init; }

    public required int Clients { get; init; }

    public required int Customers { get; init; }

    public required DatabaseEngine Database { get; init; }

    /// <summary>A server where databases may be created; null for SQLite.</summary>
    public string? ConnectionString { get; init; }

    public required string RabbitMq { get; init; }

    /// <summary>Everything in this process, on the in-memory transport.</summary>
    public required bool IsEmbedded { get; init; }

    /// <summary>How often the worker is killed.</summary>
    public required int WorkerKills { get; init; }

    /// <summary>The shell command that restarts RabbitMQ in the middle of the run; null leaves it alone.</summary>
    public string? RestartCommand { get; init; }

    /// <summary>How long an order may take to be placed, and how long convergence may take after the last one.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>Whether folder, databases and queues stay for a look at them.</summary>
    public required bool Keep { get; init; }
}

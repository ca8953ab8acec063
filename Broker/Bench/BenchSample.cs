namespace Broker.Bench;

/// <summary>One run of one thing.</summary>
/// <param name="What">What ran.</param>
/// <param name="Pair">Which of the interleaved rounds, from 1; one below warms the servers and does not count.</param>
/// <param name="Result">What the process says of itself.</param>
internal sealed record BenchSample(string What, int Pair, ChildResult Result)
{
    /// <summary>What ran beside it.</summary>
    public ChildResult? Beside { get; init; }

    /// <summary>CPU that RabbitMQ used meanwhile; null if it is not on this machine.</summary>
    public double? RabbitMqCpuSeconds { get; init; }

    /// <summary>CPU that the database server used meanwhile; null if it is not on this machine, or if there is none.</summary>
    public double? DatabaseCpuSeconds { get; init; }
}

namespace Broker.Bench;

/// <summary>What a measured process reports about itself, from the signal to begin to its end of work.</summary>
internal sealed record ChildResult
{
    public required long Count { get; init; }

    public required double Seconds { get; init; }

    /// <summary>CPU of this process alone, kernel included.</summary>
    public double CpuSeconds { get; init; }

    public long AllocatedBytes { get; init; }

    /// <summary>The most physical memory that it held.</summary>
    public long PeakBytes { get; init; }

    /// <summary>How long each message took, in milliseconds; empty where that was not measured.</summary>
    public IReadOnlyList<double> Milliseconds { get; init; } = [];

    public double Rate => Seconds > 0 ? Count / Seconds : 0;

    public double CpuSecondsPer10000 => Count > 0 ? CpuSeconds * 10_000 / Count : 0;

    public double AllocatedBytesEach => Count > 0 ? (double)AllocatedBytes / Count : 0;
}

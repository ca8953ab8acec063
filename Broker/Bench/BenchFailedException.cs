namespace Broker.Bench;

/// <summary>A run failed, so there is nothing to report.</summary>
internal sealed class BenchFailedException(string message) : Exception(message);

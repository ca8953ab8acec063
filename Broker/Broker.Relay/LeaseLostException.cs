namespace Broker.Relay;

/// <summary>Another relay holds the lease by now: this one must let go at once.</summary>
internal sealed class LeaseLostException() : Exception("The lease is in other hands.");

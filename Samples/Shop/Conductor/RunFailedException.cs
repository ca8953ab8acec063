namespace Shop.Conductor;

/// <summary>The run cannot go on. The message says why, for people.</summary>
internal sealed class RunFailedException(string message) : Exception(message);

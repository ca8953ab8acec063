namespace Broker.Dashboard.Snapshots;

/// <summary>A source did not answer a page. The message is for people.</summary>
internal sealed class SourceUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

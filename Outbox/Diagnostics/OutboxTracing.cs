using System.Diagnostics;

namespace Outbox.Diagnostics;

/// <summary>The library's activity source, named <c>Outbox</c>.</summary>
internal static class OutboxTracing
{
    public static readonly ActivitySource Source = new("Outbox");
}

namespace Outbox.Transport;

/// <summary>What telemetry says of a transport. One without it works, and is called <c>custom</c>.</summary>
internal interface ITransportState
{
    /// <summary>The name of the messaging system, by OpenTelemetry's conventions.</summary>
    string System { get; }

    /// <summary>The connection that relays publish through.</summary>
    TransportStanding Publishing { get; }

    /// <summary>The connection that consumers read through.</summary>
    TransportStanding Consuming { get; }

    /// <summary>The name of a transport's messaging system.</summary>
    static string SystemOf(ITransport transport) => transport is ITransportState state ? state.System : "custom";
}

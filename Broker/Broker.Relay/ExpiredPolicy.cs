namespace Broker.Relay;

/// <summary>What becomes of a message whose <c>expires_at</c> has passed before it was published.</summary>
public enum ExpiredPolicy
{
    /// <summary>Its row is deleted.</summary>
    Drop,

    /// <summary>Its row is moved to <c>outbox_archive</c> with the outcome <c>expired</c>.</summary>
    Archive,
}

namespace Outbox.Consumers;

/// <summary>The states of a deferred message.</summary>
internal static class DeferredState
{
    /// <summary>It failed and is tried again.</summary>
    public const string Failed = "failed";

    /// <summary>It waits for earlier messages of its key.</summary>
    public const string Behind = "behind";

    /// <summary>It waits for an earlier number of its key.</summary>
    public const string Gap = "gap";

    /// <summary>It is a dead letter, and its key waits.</summary>
    public const string Dead = "dead";
}

namespace Outbox.Consumers;

/// <summary>Is told of each message whose effects are committed. For tests.</summary>
internal interface IApplicationObserver
{
    /// <summary>Must return at once and not throw. Called by several threads.</summary>
    void Applied(string consumer, Guid messageId, IncomingMessage incoming, object message);
}

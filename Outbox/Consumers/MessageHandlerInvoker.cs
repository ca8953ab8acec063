using Microsoft.Extensions.DependencyInjection;

namespace Outbox.Consumers;

/// <summary>Calls a handler, of one message or of many, without knowing its types. The container makes it anew for each call.</summary>
internal sealed class MessageHandlerInvoker
{
    private delegate Task Call(IServiceProvider scope, IReadOnlyList<(object Message, MessageContext Context)> messages, BatchContext batch, CancellationToken cancellationToken);

    private readonly Call _call;

    private MessageHandlerInvoker(Type messageType, bool takesMany, Call call) => (MessageType, TakesMany, _call) = (messageType, takesMany, call);

    public Type MessageType { get; }

    /// <summary>Whether it takes several messages at once.</summary>
    public bool TakesMany { get; }

    /// <summary>Calls it with one message, or with several if it <see cref="TakesMany"/>.</summary>
    public Task InvokeAsync(IServiceProvider scope, IReadOnlyList<(object Message, MessageContext Context)> messages, BatchContext batch, CancellationToken cancellationToken) =>
        _call(scope, messages, batch, cancellationToken);

    public static MessageHandlerInvoker For<TMessage, THandler>()
        where TMessage : notnull
        where THandler : class, IMessageHandler<TMessage> => new(typeof(TMessage), takesMany: false, (scope, messages, _, cancellationToken) =>
        {
            var (message, context) = messages.Single();
            return scope.GetRequiredService<THandler>().HandleAsync((TMessage)message, context, cancellationToken);
        });

    /// <summary>For a handler that is no class of the container.</summary>
    public static MessageHandlerInvoker For(Type messageType, Func<IServiceProvider, object, MessageContext, CancellationToken, Task> handle) => new(messageType, takesMany: false, (scope, messages, _, cancellationToken) =>
    {
        var (message, context) = messages.Single();
        return handle(scope, message, context, cancellationToken);
    });

    public static MessageHandlerInvoker ForBatch<TMessage, THandler>()
        where TMessage : notnull
        where THandler : class, IBatchHandler<TMessage> => new(typeof(TMessage), takesMany: true, (scope, messages, batch, cancellationToken) =>
            scope.GetRequiredService<THandler>().HandleAsync([.. messages.Select(m => new ReceivedMessage<TMessage>((TMessage)m.Message, m.Context))], batch, cancellationToken));
}

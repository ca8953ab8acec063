using Microsoft.Extensions.DependencyInjection;

namespace Outbox.Consumers;

/// <summary>Calls a handler without knowing its types.</summary>
internal sealed class MessageHandlerInvoker(Type messageType, Func<IServiceProvider, object, MessageContext, CancellationToken, Task> invoke)
{
    public Type MessageType => messageType;

    public Task InvokeAsync(IServiceProvider scope, object message, MessageContext context, CancellationToken cancellationToken) => invoke(scope, message, context, cancellationToken);

    public static MessageHandlerInvoker For<TMessage, THandler>()
        where TMessage : notnull
        where THandler : class, IMessageHandler<TMessage> =>
        new(typeof(TMessage), (scope, message, context, cancellationToken) => scope.GetRequiredService<THandler>().HandleAsync((TMessage)message, context, cancellationToken));
}

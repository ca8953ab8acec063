using Outbox.Consumers;

namespace Transfer.Sagas.Crashes;

/// <summary>A handler that may die at its end: before the commit of what it did, or after it.</summary>
internal sealed class Mortal<TMessage, THandler>(THandler handler, CrashPoint crash) : IMessageHandler<TMessage>, IDisposable
    where THandler : IMessageHandler<TMessage>
{
    private string? _handled;

    public async Task HandleAsync(TMessage message, MessageContext context, CancellationToken cancellationToken)
    {
        await handler.HandleAsync(message, context, cancellationToken);
        _handled = CrashPoint.NameOf(context.Type, default);
        crash.Reach(CrashPoint.AfterHandle, _handled);
    }

    /// <summary>A message's scope ends after its commit, and before the broker is told of it: a death here has it delivered again.</summary>
    public void Dispose()
    {
        if (_handled is not null)
            crash.Reach(CrashPoint.AfterCommit, _handled);
    }
}

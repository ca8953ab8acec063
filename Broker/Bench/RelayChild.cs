namespace Broker.Bench;

/// <summary>The product's relay empties an outbox: lease, read, publish, confirm, delete, until no row is left.</summary>
internal sealed class RelayChild(ChildTask task) : IChild
{
    private readonly RelayUnderTest _relay = new(task);

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        if (task.WarmUp > 0)
            await _relay.DrainAsync(task.WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var (elapsed, count) = await _relay.DrainAsync(task.Messages, cancellationToken);
        return new() { Count = count, Seconds = elapsed.TotalSeconds };
    }

    public ValueTask DisposeAsync() => _relay.DisposeAsync();
}

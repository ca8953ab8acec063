namespace Broker.Bench;

/// <summary><see cref="RawPublisher"/> in a process of its own.</summary>
internal sealed class RawPublishChild(ChildTask task) : IChild
{
    private readonly byte[] _body = BenchMessage.Of(task.Bytes).ToBody();
    private RawPublisher? _publisher;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _publisher = await RawPublisher.OpenAsync(new Uri(task.RabbitMq), task.Exchange, cancellationToken);
        if (task.WarmUp > 0)
            await _publisher.PublishAsync(_body, task.WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken) =>
        new() { Count = task.Messages, Seconds = (await _publisher!.PublishAsync(_body, task.Messages, cancellationToken)).TotalSeconds };

    public async ValueTask DisposeAsync()
    {
        if (_publisher is not null)
            await _publisher.DisposeAsync();
    }
}

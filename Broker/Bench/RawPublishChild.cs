namespace Broker.Bench;

/// <summary><see cref="RawPublisher"/> in a process of its own.</summary>
internal sealed class RawPublishChild(ChildTask task) : IChild
{
    private static readonly TimeSpan PauseOfWarmUp = TimeSpan.FromMilliseconds(300);

    private readonly byte[] _body = BenchMessage.Of(task.Bytes).ToBody();
    private RawPublisher? _publisher;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _publisher = await RawPublisher.OpenAsync(new Uri(task.RabbitMq), task.Exchange, task.Window, cancellationToken);
        // The compiler makes hot code in two stages, each after a burst of calls and a pause.
        for (var stage = 0; stage < 2 && task.WarmUp > 1; stage++)
        {
            await _publisher.PublishAsync(_body, task.WarmUp / 2, cancellationToken);
            await Task.Delay(PauseOfWarmUp, cancellationToken);
        }
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken) =>
        new() { Count = task.Messages, Seconds = (await _publisher!.PublishAsync(_body, task.Messages, cancellationToken)).TotalSeconds };

    public async ValueTask DisposeAsync()
    {
        if (_publisher is not null)
            await _publisher.DisposeAsync();
    }
}

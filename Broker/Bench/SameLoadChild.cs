namespace Broker.Bench;

/// <summary>A load like a relay's that leaves the database alone: publishes at a steady rate, and burns CPU up to a given share.</summary>
internal sealed class SameLoadChild(ChildTask task) : IChild
{
    /// <summary>Each burns for a moment and sleeps for a millisecond: a relay and its sessions run in short turns too, and long ones would keep the writers from the cores.</summary>
    private const int BurnersPerCore = 24;

    private readonly byte[] _body = BenchMessage.Of(task.Bytes).ToBody();
    private RawPublisher? _publisher;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        _publisher = await RawPublisher.OpenAsync(new Uri(task.RabbitMq), task.Exchange, task.Window, cancellationToken);
        await _publisher.PublishAsync(_body, 2_000, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var before = Environment.CpuUsage.TotalTime;
        var burners = (int)Math.Ceiling(BurnersPerCore * task.Cores);
        var published = 0L;
        async Task PublishAsync()
        {
            while (!stop.IsCompleted)
            {
                if ((int)((task.Rate * TimeProvider.System.GetElapsedTime(start).TotalSeconds) - published) is > 0 and var due)
                {
                    await _publisher!.PublishAsync(_body, due, cancellationToken);
                    published += due;
                }
                await Task.Delay(5, cancellationToken);
            }
        }
        async Task BurnAsync()
        {
            while (!stop.IsCompleted)
            {
                // By CPU used, not by time: beside busy neighbours a second of spinning is less than a second of CPU.
                if ((Environment.CpuUsage.TotalTime - before).TotalSeconds < task.Cores * TimeProvider.System.GetElapsedTime(start).TotalSeconds)
                    Burn(TimeSpan.FromMicroseconds(100));
                await Task.Delay(1, cancellationToken);
            }
        }
        await Task.WhenAll([PublishAsync(), .. Enumerable.Range(0, burners).Select(_ => BurnAsync())]);
        return new ChildResult { Count = published, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_publisher is not null)
            await _publisher.DisposeAsync();
    }

    private static void Burn(TimeSpan duration)
    {
        for (var start = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(start) < duration;)
            Thread.SpinWait(50);
    }
}

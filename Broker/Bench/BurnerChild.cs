namespace Broker.Bench;

/// <summary>Uses a given share of the CPU and nothing else: what a relay's work would cost its neighbours if it touched neither their database nor their disk.</summary>
internal sealed class BurnerChild(ChildTask task) : IChild
{
    public Task WarmUpAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var before = Environment.CpuUsage.TotalTime;
        // A relay, a broker and a database's sessions are many threads, and the scheduler shares the cores among threads: a single one would not get as much.
        var threads = 4 * (int)Math.Max(1, Math.Ceiling(task.Cores));
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCompleted)
            {
                // By CPU used, not by time: beside busy neighbours a second of spinning is less than a second of CPU.
                if ((Environment.CpuUsage.TotalTime - before).TotalSeconds < task.Cores * TimeProvider.System.GetElapsedTime(start).TotalSeconds)
                    Thread.SpinWait(20_000);
                else
                    await Task.Delay(1, cancellationToken);
            }
        }, cancellationToken)));
        return new ChildResult { Count = 0, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds };
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

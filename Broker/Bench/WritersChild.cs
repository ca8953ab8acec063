namespace Broker.Bench;

/// <summary>Writers that commit business data with an event, each as fast as it can.</summary>
internal sealed class WritersChild(ChildTask task) : IChild
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    private ServiceUnderTest? _service;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        // SQLite has no asynchronous calls: whoever waits for the file's writer holds a thread, and the writer needs one to commit.
        ThreadPool.SetMinThreads(Math.Max(Environment.ProcessorCount, 2 * task.Concurrency), Environment.ProcessorCount);
        _service = await ServiceUnderTest.StartAsync(task, relays: false, applied: null, cancellationToken);
        await WriteAsync(WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var commits = await WriteAsync(TimeSpan.FromSeconds(task.Seconds), cancellationToken);
        return new ChildResult { Count = commits, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_service is not null)
            await _service.DisposeAsync();
    }

    private async Task<long> WriteAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var commits = await Task.WhenAll(Enumerable.Range(0, task.Concurrency).Select(writer => Task.Run(async () =>
        {
            // Accounts of its own: writers that wait for each other would measure that.
            var (count, share) = (0, BenchSql.Accounts / task.Concurrency);
            while (TimeProvider.System.GetElapsedTime(start) < duration)
            {
                // As a service does: a connection from the pool for each unit of work.
                await using var connection = await _service!.DataSource.OpenConnectionAsync(cancellationToken);
                await _service.CommitAsync(connection, (writer * share) + (count++ % share), cancellationToken);
            }
            return (long)count;
        }, cancellationToken)));
        return commits.Sum();
    }
}

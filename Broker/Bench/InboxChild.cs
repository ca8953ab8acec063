using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Bench;

/// <summary>The product's consumer applies the messages of a queue: inbox row and effect in one transaction, then the accept.</summary>
internal sealed class InboxChild(ChildTask task) : IChild
{
    public Task WarmUpAsync(CancellationToken cancellationToken) => task.WarmUp > 0 ? ApplyAsync(task.WarmUp, cancellationToken) : Task.CompletedTask;

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken) =>
        new() { Count = task.ByKey ? Awaited(task.Messages) : task.Messages, Seconds = (await ApplyAsync(task.Messages, cancellationToken)).TotalSeconds };

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Of messages that fail, the last ones are tried for seconds after all others are done; so the time is taken before.</summary>
    public static int Awaited(int messages) => messages / 20 * 19;

    /// <summary>The time is from when the broker has said that it delivers to the last commit, or to that of <see cref="Awaited"/> messages by key.</summary>
    private async Task<TimeSpan> ApplyAsync(int messages, CancellationToken cancellationToken)
    {
        ThreadPool.SetMinThreads(Math.Max(Environment.ProcessorCount, 2 * task.Concurrency), Environment.ProcessorCount);
        await using var dataSource = DataSources.Create(BenchDatabase.Engine(task.Engine), task.ConnectionStrings[^1], task.Concurrency);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker bench" });
        var reading = new ReadingLog();
        builder.Logging.AddProvider(new StandardErrorLog()).AddProvider(reading).SetMinimumLevel(task.SomeFail ? LogLevel.Critical : LogLevel.Warning).AddFilter<ReadingLog>("Outbox", LogLevel.Information);
        ServiceUnderTest.AddConsumer(builder.Services, task, dataSource);
        using var host = builder.Build();
        using var applied = new MetricCounter("outbox.inbox.applied", task.ByKey ? Awaited(messages) : messages);
        await host.StartAsync(cancellationToken);
        await applied.Reached.WaitAsync(cancellationToken);
        // Of few messages the first may be applied before it says so.
        var elapsed = TimeProvider.System.GetElapsedTime(Math.Min(reading.Since ?? long.MaxValue, applied.First!.Value.Timestamp));
        await host.StopAsync(CancellationToken.None);
        return elapsed;
    }

    /// <summary>The library says at level Information that a consumer reads its queue: an ear for that.</summary>
    private sealed class ReadingLog : ILoggerProvider, ILogger
    {
        private const int Reading = 1000;

        private long _since;

        /// <summary>When it said so; null: not yet.</summary>
        public long? Since => Interlocked.Read(ref _since) is not 0 and var since ? since : null;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == Reading)
                Interlocked.Exchange(ref _since, TimeProvider.System.GetTimestamp());
        }

        public void Dispose()
        {
        }
    }
}

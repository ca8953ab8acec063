using System.Buffers.Binary;
using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Consumers;

namespace Broker.Bench;

/// <summary>Publishes messages of many keys at a steady rate while some of them fail, and takes the time from each one's making to its effect, of the keys of which none has failed.</summary>
internal sealed class LateChild(ChildTask task) : IChild
{
    public const int Keys = 1_000;

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly byte[] _body = BenchMessage.Of(task.Bytes).ToBody();
    private readonly Observer _observer = new();

    public Task WarmUpAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        await using var dataSource = DataSources.Create(BenchDatabase.Engine(task.Engine), task.ConnectionStrings[^1], task.Concurrency);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker bench" });
        builder.Logging.AddProvider(new StandardErrorLog()).SetMinimumLevel(LogLevel.Critical);
        builder.Services.AddSingleton<IApplicationObserver>(_observer);
        ServiceUnderTest.AddConsumer(builder.Services, task, dataSource);
        using var host = builder.Build();
        await host.StartAsync(cancellationToken);
        await using var publisher = await RawPublisher.OpenAsync(new Uri(task.RabbitMq), task.Exchange, RawPublisher.StandardWindow, cancellationToken);
        // The first second compiles.
        var warmUp = await PublishAsync(publisher, TimeSpan.FromSeconds(1), 0, cancellationToken);
        var begun = TimeProvider.System.GetUtcNow();
        var start = TimeProvider.System.GetTimestamp();
        var published = await PublishAsync(publisher, TimeSpan.FromSeconds(task.Seconds), warmUp, cancellationToken);
        var failed = host.Services.GetRequiredService<FailingHandler.FailedKeys>();
        for (var waiting = TimeProvider.System.GetTimestamp(); Missing(published, failed) is { } key; await Task.Delay(Step, cancellationToken))
        {
            if (TimeProvider.System.GetElapsedTime(waiting) > Patience)
                throw new BenchFailedException($"A message of {key}, of which none has failed, has had no effect within {Patience.TotalSeconds:0} s.");
        }
        var elapsed = TimeProvider.System.GetElapsedTime(start);
        await host.StopAsync(CancellationToken.None);
        var milliseconds = _observer.Effects.Where(e => !failed.ContainsKey(e.Key) && e.Made >= begun).Select(e => (e.Applied - e.Made).TotalMilliseconds).ToList();
        return new ChildResult { Count = milliseconds.Count, Seconds = elapsed.TotalSeconds, Milliseconds = milliseconds };
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Publishes at the rate for so long. Returns how many there are now.</summary>
    private async Task<int> PublishAsync(RawPublisher publisher, TimeSpan duration, int count, CancellationToken cancellationToken)
    {
        var (start, before) = (TimeProvider.System.GetTimestamp(), count);
        for (var elapsed = TimeSpan.Zero; elapsed < duration; elapsed = TimeProvider.System.GetElapsedTime(start))
        {
            var due = before + (int)(elapsed.TotalSeconds * task.Rate) - count;
            if (due > 0)
                await publisher.PublishAsync(_body, due, cancellationToken, Keys, count);
            count += Math.Max(0, due);
            await Task.Delay(Step, cancellationToken);
        }
        return count;
    }

    /// <summary>A key of which no message has failed, and not all have had their effect.</summary>
    private string? Missing(int published, FailingHandler.FailedKeys failed)
    {
        var effects = _observer.Effects.GroupBy(e => e.Key).ToDictionary(g => g.Key, g => g.Count());
        return Enumerable.Range(0, Keys).Select(i => (Key: $"key-{i}", Count: (published / Keys) + (i < published % Keys ? 1 : 0)))
            .Where(k => !failed.ContainsKey(k.Key) && effects.GetValueOrDefault(k.Key) < k.Count).Select(k => k.Key).FirstOrDefault();
    }

    private sealed class Observer : IApplicationObserver
    {
        public ConcurrentQueue<(string Key, DateTimeOffset Made, DateTimeOffset Applied)> Effects { get; } = new();

        public void Applied(string consumer, Guid messageId, IncomingMessage incoming, object message)
        {
            // An id of version 7 begins with its time in milliseconds.
            Span<byte> bytes = stackalloc byte[16];
            messageId.TryWriteBytes(bytes, bigEndian: true, out _);
            var made = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16);
            Effects.Enqueue((incoming.PartitionKey!, made, TimeProvider.System.GetUtcNow()));
        }
    }
}

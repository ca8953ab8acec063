using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Broker.Bench;

/// <summary>Commits at a steady rate, and takes the time from each commit's return to the message's arrival at a consumer of the queue, or to its effects' commit, by one clock.</summary>
internal sealed class LatencyChild(ChildTask task) : IChild
{
    private const int WarmUpCommits = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Guid, long> _seen = new();
    private ServiceUnderTest? _service;
    private IConnection? _connection;

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        if (task.Kind == ChildKind.Arrival)
            await ListenAsync(cancellationToken);
        _service = await ServiceUnderTest.StartAsync(task, task.InProcess, task.Kind == ChildKind.Effect ? See : null, cancellationToken);
        await MeasureAsync(WarmUpCommits, Math.Max(task.Rate, 100), cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var milliseconds = await MeasureAsync((int)Math.Max(1, task.Rate * task.Seconds), task.Rate, cancellationToken);
        return new ChildResult { Count = milliseconds.Count, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds, Milliseconds = milliseconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_service is not null)
            await _service.DisposeAsync();
        if (_connection is not null)
            await _connection.DisposeAsync();
    }

    private void See(Guid id) => _seen.TryAdd(id, TimeProvider.System.GetTimestamp());

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        _connection = await new ConnectionFactory { Uri = new Uri(task.RabbitMq), ClientProvidedName = "broker bench (latency)" }.CreateConnectionAsync(cancellationToken);
        var channel = await _connection.CreateChannelAsync(cancellationToken: cancellationToken);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            if (Guid.TryParse(delivery.BasicProperties.MessageId, out var id))
                See(id);
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(task.Exchange, autoAck: true, consumer, cancellationToken);
    }

    private async Task<List<double>> MeasureAsync(int commits, double rate, CancellationToken cancellationToken)
    {
        var committed = new List<(Guid Id, long At)>(commits);
        var start = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < commits; i++)
        {
            var due = TimeSpan.FromSeconds(i / rate) - TimeProvider.System.GetElapsedTime(start);
            if (due > TimeSpan.Zero)
                await Task.Delay(due, cancellationToken);
            await using var connection = await _service!.DataSource.OpenConnectionAsync(cancellationToken);
            var id = await _service.CommitAsync(connection, i, cancellationToken);
            committed.Add((id, TimeProvider.System.GetTimestamp()));
        }
        var waiting = TimeProvider.System.GetTimestamp();
        while (committed.FirstOrDefault(c => !_seen.ContainsKey(c.Id)) is { At: > 0 } missing)
        {
            if (TimeProvider.System.GetElapsedTime(waiting) > Patience)
                throw new BenchFailedException($"Message {missing.Id} did not arrive within {Patience.TotalSeconds:0} s.");
            await Task.Delay(5, cancellationToken);
        }
        // A message can be there before its writer has returned from the commit.
        return [.. committed.Select(c => Math.Max(0, TimeProvider.System.GetElapsedTime(c.At, _seen[c.Id]).TotalMilliseconds))];
    }
}

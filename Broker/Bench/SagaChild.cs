using System.Collections.Concurrent;
using System.Data.Common;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Consumers;
using Outbox.RabbitMQ;
using Outbox.Sagas;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>Moves from one account to another, so many at once: by a saga over the databases of three services, which all run here with their relays, or by one transaction of one database. The time of each is from its begin to the commit that completes it.</summary>
internal sealed class SagaChild(ChildTask task) : IChild
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _running = new(StringComparer.Ordinal);
    private readonly List<DbDataSource> _dataSources = [];
    private IHost? _host;
    private int _started;

    /// <summary>The queues that its consumers declare.</summary>
    public static IEnumerable<string> QueuesOf(string exchange) => new[] { BenchTransfer.Name, "from", "to" }.Select(consumer => $"{exchange}.{consumer}");

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        ThreadPool.SetMinThreads(Math.Max(Environment.ProcessorCount, 4 * task.Concurrency), Environment.ProcessorCount);
        _dataSources.AddRange(task.ConnectionStrings.Select(c => DataSources.Create(BenchDatabase.Engine(task.Engine), c, (2 * task.Concurrency) + 16)));
        if (task.Kind == ChildKind.Sagas)
        {
            _host = Build();
            await _host.StartAsync(cancellationToken);
            await MoveAsync(cancellationToken).WaitAsync(Patience, cancellationToken);
        }
        await MoveForAsync(WarmUp, cancellationToken);
    }

    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var milliseconds = await MoveForAsync(TimeSpan.FromSeconds(task.Seconds), cancellationToken);
        return new ChildResult { Count = milliseconds.Count, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds, Milliseconds = milliseconds };
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync(CancellationToken.None);
            _host.Dispose();
        }
        foreach (var dataSource in _dataSources)
            await dataSource.DisposeAsync();
    }

    private async Task<List<double>> MoveForAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, task.Concurrency).Select(_ => Task.Run(async () =>
        {
            var own = new List<double>();
            while (TimeProvider.System.GetElapsedTime(start) < duration)
            {
                var began = TimeProvider.System.GetTimestamp();
                await (task.Kind == ChildKind.Sagas ? MoveAsync(cancellationToken) : MoveLocallyAsync(cancellationToken));
                own.Add(TimeProvider.System.GetElapsedTime(began).TotalMilliseconds);
            }
            return own;
        }, cancellationToken)));
        return [.. all.SelectMany(m => m)];
    }

    /// <summary>Both accounts in one transaction.</summary>
    private async Task MoveLocallyAsync(CancellationToken cancellationToken)
    {
        var sql = BenchSql.Of(BenchDatabase.Engine(task.Engine));
        var account = Interlocked.Increment(ref _started);
        await using var connection = await _dataSources[0].OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // In the order of their numbers, so that nobody waits in a circle.
        foreach (var id in new[] { account % BenchSql.Accounts, (account + 1) % BenchSql.Accounts }.Order())
            await connection.Command(sql.UpdateAccount, transaction).With("id", id).ExecuteAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>One saga, from the commit of the message that starts it.</summary>
    private async Task MoveAsync(CancellationToken cancellationToken)
    {
        var (number, done) = (Interlocked.Increment(ref _started), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var transfer = new BenchTransfer.Begin(Guid.CreateVersion7().ToString("N"), number % BenchSql.Accounts, (number + 1) % BenchSql.Accounts);
        _running[transfer.Id] = done;
        var outbox = _host!.Services.GetRequiredKeyedService<IOutbox>("bench-0");
        await using (var connection = await _dataSources[0].OpenConnectionAsync(cancellationToken))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await outbox.AddAsync(transaction, transfer, cancellationToken: cancellationToken);
            await outbox.CommitAsync(transaction, cancellationToken);
        }
        await done.Task.WaitAsync(Patience, cancellationToken);
        _running.TryRemove(transfer.Id, out _);
    }

    private IHost Build()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker bench" });
        builder.Logging.AddProvider(new StandardErrorLog());
        builder.Services.AddSingleton(BenchSql.Of(BenchDatabase.Engine(task.Engine))).AddSingleton<IApplicationObserver>(new Ear(_running));
        for (var i = 0; i < _dataSources.Count; i++)
        {
            var place = i;
            builder.Services.AddOutbox($"bench-{place}", _ => _dataSources[place], outbox =>
            {
                outbox.Options.Exchange = task.Exchange;
                outbox.UseRabbitMq(task.RabbitMq).AddRelay();
                switch (place)
                {
                    case 0:
                        outbox.AddSaga<BenchTransfer>(BenchTransfer.Name, saga => Set(saga.Consumer));
                        break;
                    case 1:
                        outbox.AddConsumer("from", consumer => Set(consumer.Handle<BenchTransfer.Take, BenchTransfer.Handler>().Handle<BenchTransfer.Return, BenchTransfer.Handler>().Options));
                        break;
                    default:
                        outbox.AddConsumer("to", consumer => Set(consumer.Handle<BenchTransfer.Give, BenchTransfer.Handler>().Options));
                        break;
                }
            });
        }
        return builder.Build();
    }

    private void Set(ConsumerOptions options) => (options.Queue, options.Concurrency, options.KeepOrder) = ($"{task.Exchange}.{options.Name}", Math.Max(4, task.Concurrency / 2), false);

    /// <summary>Hears of each commit, and so of the last one of a saga.</summary>
    private sealed class Ear(ConcurrentDictionary<string, TaskCompletionSource> running) : IApplicationObserver
    {
        public void Applied(string consumer, Guid messageId, IncomingMessage incoming, object message)
        {
            if (consumer == BenchTransfer.Name && message is SagaMessage { Kind: SagaMessage.Applied, Step: BenchTransfer.LastStep } last && running.TryGetValue(last.Id, out var done))
                done.TrySetResult();
        }
    }
}

using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>A service that uses the library as its users do: it writes to an outbox by ADO.NET, and may relay it itself or consume its events into a database of its own.</summary>
internal sealed class ServiceUnderTest : IAsyncDisposable
{
    /// <summary>The writer's source, as <see cref="RelayUnderTest"/> names the first one.</summary>
    private const string Source = "bench-0";

    public const string Consumer = "bench";

    private readonly IHost _host;
    private readonly IReadOnlyList<DbDataSource> _dataSources;
    private readonly BenchSql _sql;
    private readonly BenchMessage _message;

    private ServiceUnderTest(IHost host, IReadOnlyList<DbDataSource> dataSources, ChildTask task)
    {
        (_host, _dataSources) = (host, dataSources);
        _sql = BenchSql.Of(BenchDatabase.Engine(task.Engine));
        _message = BenchMessage.Of(task.Bytes);
        Outbox = host.Services.GetRequiredKeyedService<IOutbox>(Source);
    }

    public DbDataSource DataSource => _dataSources[0];

    private IOutbox Outbox { get; }

    /// <summary>Starts it.</summary>
    /// <param name="task">The first connection string is the outbox's, the last one the consumer's.</param>
    /// <param name="relays">Whether it relays its outbox itself.</param>
    /// <param name="applied">Told each message whose effects are committed; null: it consumes nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<ServiceUnderTest> StartAsync(ChildTask task, bool relays, Action<Guid>? applied, CancellationToken cancellationToken)
    {
        var dialect = BenchDatabase.Engine(task.Engine);
        var dataSources = task.ConnectionStrings.Select(c => DataSources.Create(dialect, c, 3 * Math.Max(new RelayOptions().MaxConnections, task.Concurrency))).ToList();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker bench" });
        builder.Logging.AddProvider(new StandardErrorLog());
        builder.Services.AddOutbox(Source, _ => dataSources[0], outbox =>
        {
            outbox.Options.Exchange = task.Exchange;
            outbox.UseRabbitMq(task.RabbitMq);
            if (relays)
                outbox.AddRelay();
        });
        if (applied is not null)
        {
            builder.Logging.AddProvider(new AppliedLog(applied)).SetMinimumLevel(LogLevel.Debug);
            AddConsumer(builder.Services, task, dataSources[^1]);
        }
        var host = builder.Build();
        await host.StartAsync(cancellationToken);
        return new ServiceUnderTest(host, dataSources, task);
    }

    /// <summary>The library's consumer of the scratch queue, whose handler inserts one row for each message, by itself or many with one statement.</summary>
    public static void AddConsumer(IServiceCollection services, ChildTask task, DbDataSource dataSource) => services
        .AddSingleton(BenchSql.Of(BenchDatabase.Engine(task.Engine)))
        .AddSingleton(task)
        .AddSingleton<FailingHandler.FailedKeys>()
        .AddOutbox("bench-consumer", _ => dataSource, outbox =>
        {
            outbox.Options.Exchange = task.Exchange;
            // The queue is the session's, which declared it.
            outbox.UseRabbitMq(task.RabbitMq, rabbitMq => rabbitMq.Topology = TopologyMode.None).AddConsumer(Consumer, consumer =>
            {
                consumer.Options.Queue = task.Exchange;
                if (task.BatchSize == 1)
                    consumer.Options.Prefetch = Math.Max(consumer.Options.Prefetch, 4 * task.Concurrency);
                if (task.ByKey)
                    consumer.Handle<BenchMessage, FailingHandler>().InOrderPerKey(task.Concurrency).Batch(task.BatchSize); // Also where none fails, so that its own work is on both sides.
                else if (task.BatchSize > 1)
                    consumer.HandleBatch<BenchMessage, BenchBatchHandler>().Batch(task.BatchSize).InAnyOrder(task.Concurrency);
                else
                    consumer.Handle<BenchMessage, BenchHandler>().InAnyOrder(task.Concurrency);
            });
        });

    /// <summary>Commits one change of business data with its event. Returns the event's id.</summary>
    public async Task<Guid> CommitAsync(DbConnection connection, int account, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.Command(_sql.UpdateAccount, transaction).With("id", account % BenchSql.Accounts).ExecuteAsync(cancellationToken);
        var id = await Outbox.AddAsync(transaction, _message, cancellationToken: cancellationToken);
        await Outbox.CommitAsync(transaction, cancellationToken);
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        _host.Dispose();
        foreach (var dataSource in _dataSources)
            await dataSource.DisposeAsync();
    }

    /// <summary>The library says at level Debug which message it has applied and accepted: an ear for that.</summary>
    private sealed class AppliedLog(Action<Guid> applied) : ILoggerProvider, ILogger
    {
        private const int Applied = 1001;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Debug;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == Applied && state is IReadOnlyList<KeyValuePair<string, object?>> values
                && Guid.TryParse(Convert.ToString(values.First(v => v.Key == "Message").Value, CultureInfo.InvariantCulture)!.Split(' ')[^1], out var id))
                applied(id);
        }

        public void Dispose()
        {
        }
    }
}

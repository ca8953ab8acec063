using System.Data.Common;
using Broker.Relay;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The product's relay, made as the worker makes it. The only place of the measurements that knows how.</summary>
internal sealed class RelayUnderTest : IAsyncDisposable
{
    private readonly RabbitMqTransport _transport;
    private readonly IReadOnlyList<DbDataSource> _dataSources;
    private readonly ChildTask _task;
    private readonly ILoggerFactory _loggers = LoggerFactory.Create(logging => logging.AddProvider(new StandardErrorLog()).SetMinimumLevel(LogLevel.Warning));
    private CancellationTokenSource? _stop;
    private Task _running = Task.CompletedTask;

    public RelayUnderTest(ChildTask task, Func<DbDataSource, DbDataSource>? around = null)
    {
        _task = task;
        _transport = new RabbitMqTransport(new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(task.RabbitMq), ClientName = "broker" }, _loggers, TimeProvider.System);
        _dataSources = [.. task.ConnectionStrings.Select(c => DataSources.Create(Dialect, c, task.Partitions)).Select(d => around?.Invoke(d) ?? d)];
    }

    public SqlDialect Dialect => BenchDatabase.Engine(_task.Engine);

    /// <summary>The first source's database.</summary>
    public DbDataSource DataSource => _dataSources[0];

    public void Start()
    {
        _stop = new CancellationTokenSource();
        var owner = $"bench/{Environment.ProcessId}/{Guid.CreateVersion7():N}";
        var logger = _loggers.CreateLogger<RelayService>();
        _running = Task.WhenAll(_dataSources.Select((dataSource, i) => new SourceRelay(
            new RelaySource { Name = FormattableString.Invariant($"bench-{i}"), Dialect = Dialect, DataSource = dataSource, Transport = _transport, Exchange = _task.Exchange, Partitions = _task.Partitions },
            owner, TimeProvider.System, logger, StepSignals.None).RunAsync(_stop.Token)));
    }

    /// <summary>Stops it gracefully: leases are given back.</summary>
    public async Task StopAsync()
    {
        if (_stop is null)
            return;
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
        _stop = null;
    }

    /// <summary>Starts it, waits until it has settled so many rows, and stops it. Like the raw publisher's, its time does not count connecting: it runs from the first confirms to the last settled row.</summary>
    /// <returns>The time, and how many messages were published in it.</returns>
    public async Task<(TimeSpan Elapsed, int Count)> DrainAsync(int rows, CancellationToken cancellationToken)
    {
        using var published = new MetricCounter("outbox.relay.published", rows);
        using var settled = new MetricCounter("outbox.relay.settled", rows);
        Start();
        await Task.WhenAny(settled.Reached, _running).WaitAsync(cancellationToken);
        var now = TimeProvider.System.GetTimestamp();
        await StopAsync();
        if (!settled.Reached.IsCompleted || published.First is not { } first)
            throw new BenchFailedException("The relay ended before it was told to.");
        return first.Count < rows ? (TimeProvider.System.GetElapsedTime(first.Timestamp, now), rows - (int)first.Count) : (TimeSpan.FromTicks(1), 1);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _transport.DisposeAsync();
        foreach (var dataSource in _dataSources)
            await dataSource.DisposeAsync();
        _loggers.Dispose();
    }
}

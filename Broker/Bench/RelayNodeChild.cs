using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The product's relay of one or more sources, until it is told to stop.</summary>
internal sealed class RelayNodeChild : IChild
{
    private readonly ChildTask _task;
    private readonly RelayUnderTest _relay;
    private long _transactions;

    public RelayNodeChild(ChildTask task)
    {
        _task = task;
        _relay = new RelayUnderTest(task, BenchDatabase.Engine(task.Engine) == SqlDialect.Sqlite ? dataSource => new Traced(dataSource, () => Interlocked.Increment(ref _transactions)) : null);
    }

    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        if (_task.WarmUp > 0)
            await _relay.DrainAsync(_task.WarmUp, cancellationToken);
        _relay.Start();
    }

    /// <summary>Counts the transactions on SQLite, which has no server to ask.</summary>
    public async Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken)
    {
        var before = Interlocked.Read(ref _transactions);
        var start = TimeProvider.System.GetTimestamp();
        await stop.WaitAsync(cancellationToken);
        return new ChildResult { Count = Interlocked.Read(ref _transactions) - before, Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds };
    }

    public ValueTask DisposeAsync() => _relay.DisposeAsync();

    private sealed class Traced(DbDataSource inner, Action onTransaction) : DbDataSource
    {
        public override string ConnectionString => inner.ConnectionString;

        protected override DbConnection CreateDbConnection()
        {
            var connection = (SqliteConnection)inner.CreateConnection();
            connection.StateChange += (_, change) =>
            {
                if (change.CurrentState == ConnectionState.Open)
                    SQLitePCL.raw.sqlite3_trace(connection.Handle!, (object _, string _) =>
                    {
                        // What begins a transaction, or is one by itself.
                        if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle!) != 0)
                            onTransaction();
                    }, null!);
            };
            return connection;
        }

        protected override async ValueTask DisposeAsyncCore()
        {
            await inner.DisposeAsync();
            await base.DisposeAsyncCore();
        }
    }
}

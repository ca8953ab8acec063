using System.Data.Common;

namespace Outbox.Consumers;

/// <summary>The connection that one worker goes on with from message to message while there is work. Not thread-safe: a worker's own.</summary>
/// <remarks>
/// A pool resets the session between two messages: further statements on PostgreSQL, a call of its own on MySQL. After an error the connection is not kept, whatever it was.
/// Every second it goes back all the same: where a pool has no more connections than the service has workers, retries and heartbeats must get one, too.
/// </remarks>
internal sealed class WorkerConnection(TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private DbConnection? _connection;
    private long _since;

    /// <summary>Hands out the connection that was kept; null: there is none.</summary>
    public DbConnection? Take()
    {
        var connection = _connection;
        _connection = null;
        return connection;
    }

    /// <summary>Another connection is used from now on.</summary>
    public void Begin() => _since = time.GetTimestamp();

    /// <summary>Keeps the connection, whose transaction is committed, for the next message. False: it has been used for long enough, and the caller gives it back.</summary>
    public bool TryKeep(DbConnection connection)
    {
        if (time.GetElapsedTime(_since) > Longest)
            return false;
        _connection = connection;
        return true;
    }

    /// <summary>Gives the connection back to its pool: there is nothing to do, or what comes next opens one of its own. A worker that held one and waited for another might wait for its like.</summary>
    public ValueTask GiveBackAsync() => Take() is { } connection ? connection.DisposeAsync() : ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => GiveBackAsync();
}

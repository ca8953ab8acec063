using System.Collections.Concurrent;
using System.Data.Common;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The open connections that the drainers of one source share, up to a limit: they stay open and prepared between two statements. Thread-safe.</summary>
internal sealed class RelayConnections(RelaySource source, int limit) : IAsyncDisposable
{
    private readonly SemaphoreSlim _places = new(limit);
    private readonly ConcurrentStack<DbConnection> _idle = new();
    private volatile bool _disposed;

    /// <summary>A connection for one piece of work. One on which the work failed is not used again.</summary>
    internal sealed class Rented(RelayConnections owner, DbConnection connection) : IAsyncDisposable
    {
        public DbConnection Connection => connection;

        /// <summary>The work is done and has left the connection as it was.</summary>
        public bool IsSound { get; set; }

        public ValueTask DisposeAsync() => owner.GiveBackAsync(connection, IsSound);
    }

    public async Task<Rented> RentAsync(CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return new Rented(this, _idle.TryPop(out var idle) ? idle : await OpenAsync(source, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            _places.Release();
            throw;
        }
    }

    /// <summary>Closes what nobody uses now: for a source that has nothing to do.</summary>
    public async Task CloseIdleAsync()
    {
        while (_idle.TryPop(out var connection))
            await connection.DisposeAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        await CloseIdleAsync().ConfigureAwait(false);
    }

    private static async Task<DbConnection> OpenAsync(RelaySource source, CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await connection.Command(source.Dialect.PrepareRelayConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask GiveBackAsync(DbConnection connection, bool isSound)
    {
        try
        {
            if (isSound && !_disposed)
            {
                _idle.Push(connection);
                if (!_disposed || !_idle.TryPop(out var late))
                    return;
                connection = late;
            }
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }
    }
}

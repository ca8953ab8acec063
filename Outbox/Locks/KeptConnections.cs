using System.Data.Common;
using System.Transactions;

namespace Outbox.Locks;

/// <summary>A few connections that stay open between short statements, because taking one from the pool and having it reset costs about as much as such a statement.</summary>
/// <remarks>
/// Not more than <see cref="Most"/>, and none that has been idle for <see cref="Patience"/>. One that had any trouble is not kept: the pool knows what to do with it.
/// Only statements that leave nothing behind in the session may run on them. Thread-safe.
/// </remarks>
internal sealed class KeptConnections : IDisposable
{
    /// <summary>Kept open; whoever needs more takes them from the pool.</summary>
    internal const int Most = 16;

    /// <summary>How long an idle one stays open.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly DbDataSource _dataSource;
    private readonly TimeProvider _time;
    private readonly bool _prepares;
    private readonly List<(KeptConnection Connection, long Since)> _idle = [];
    private readonly ITimer _timer;
    private volatile bool _cannotPrepare;
    private bool _isDisposed;

    /// <param name="dataSource">Where connections come from.</param>
    /// <param name="prepares">Whether statements are prepared, as far as the connections allow that.</param>
    /// <param name="time">The clock.</param>
    public KeptConnections(DbDataSource dataSource, bool prepares, TimeProvider time)
    {
        (_dataSource, _prepares, _time) = (dataSource, prepares, time);
        _timer = time.CreateTimer(static kept => ((KeptConnections)kept!).CloseIdle(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Whether statements are prepared: on some poolers between here and the server that does not work, which shows at the first of them.</summary>
    public bool Prepares
    {
        get => _prepares && !_cannotPrepare;
        set => _cannotPrepare = !value;
    }

    /// <summary>The connection that was used last, or a new one.</summary>
    public async ValueTask<KeptConnection> TakeAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_idle is [.., var (last, _)])
            {
                _idle.RemoveAt(_idle.Count - 1);
                return last;
            }
        }
        return new KeptConnection(await OpenAsync(_dataSource, cancellationToken).ConfigureAwait(false), this);
    }

    /// <summary>Opens a connection outside of the caller's ambient transaction: a lock must not vanish with that, and others may use the connection after it.</summary>
    public static async ValueTask<DbConnection> OpenAsync(DbDataSource dataSource, CancellationToken cancellationToken)
    {
        using var outside = Transaction.Current is null ? null : new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        return await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Keeps a connection for the next one who takes one. False: there are enough.</summary>
    public bool TryKeep(KeptConnection connection)
    {
        lock (_lock)
        {
            if (_isDisposed || _idle.Count == Most)
                return false;
            if (_idle.Count == 0)
                _timer.Change(Patience, Timeout.InfiniteTimeSpan);
            _idle.Add((connection, _time.GetTimestamp()));
            return true;
        }
    }

    /// <summary>Closes those that nobody uses. What is in use is closed when it is given back.</summary>
    public void Dispose()
    {
        lock (_lock)
            _isDisposed = true;
        _timer.Dispose();
        Close(_ => true);
    }

    private void CloseIdle() => Close(since => _time.GetElapsedTime(since) >= Patience);

    private void Close(Predicate<long> isOver)
    {
        List<KeptConnection> over;
        lock (_lock)
        {
            over = [.. _idle.Where(i => isOver(i.Since)).Select(i => i.Connection)];
            _idle.RemoveAll(i => over.Contains(i.Connection));
            if (_idle.Count > 0)
                _timer.Change(Patience - _time.GetElapsedTime(_idle[0].Since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
        foreach (var connection in over)
            connection.Close();
    }
}

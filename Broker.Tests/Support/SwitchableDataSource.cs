using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace Broker.Tests.Support;

/// <summary>A database that can be away: connections are refused while it is.</summary>
internal sealed class SwitchableDataSource(DbDataSource inner) : DbDataSource
{
    private TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isAway;

    public override string ConnectionString => inner.ConnectionString;

    /// <summary>Refuses connections from now on. Completes when the first one was refused.</summary>
    public Task GoAway()
    {
        _refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _isAway = true;
        return _refused.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    public void ComeBack() => _isAway = false;

    protected override DbConnection CreateDbConnection() => inner.CreateConnection();

    protected override ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
    {
        if (!_isAway)
            return inner.OpenConnectionAsync(cancellationToken);
        _refused.TrySetResult();
        throw new AwayException();
    }

    [SuppressMessage("Design", "CA1032", Justification = "Nobody else makes it.")]
    private sealed class AwayException() : DbException("The database is away.", new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused));
}

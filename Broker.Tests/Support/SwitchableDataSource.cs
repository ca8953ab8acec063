using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace Broker.Tests.Support;

/// <summary>A database that can be away, or read-only: connections are refused, or cannot write, while it is.</summary>
internal sealed class SwitchableDataSource(DbDataSource inner) : DbDataSource
{
    private TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isAway;
    private volatile Action? _whileAsked;
    private volatile DbDataSource? _readOnly;

    public override string ConnectionString => inner.ConnectionString;

    /// <summary>Refuses connections from now on. Completes when the first one was refused.</summary>
    /// <param name="whileAsked">Happens before each refusal.</param>
    public Task GoAway(Action? whileAsked = null)
    {
        _whileAsked = whileAsked;
        _refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _isAway = true;
        return _refused.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Gives connections that cannot write from now on.</summary>
    /// <param name="readOnly">The same database, without the right to write.</param>
    public void BecomeReadOnly(DbDataSource readOnly) => _readOnly = readOnly;

    public void ComeBack() => (_isAway, _readOnly) = (false, null);

    protected override DbConnection CreateDbConnection() => inner.CreateConnection();

    protected override ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
    {
        if (!_isAway)
            return (_readOnly ?? inner).OpenConnectionAsync(cancellationToken);
        _whileAsked?.Invoke();
        _refused.TrySetResult();
        throw new AwayException();
    }

    [SuppressMessage("Design", "CA1032", Justification = "Nobody else makes it.")]
    private sealed class AwayException() : DbException("The database is away.", new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused));
}

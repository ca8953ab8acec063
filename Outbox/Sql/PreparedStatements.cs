using System.Data.Common;

namespace Outbox.Sql;

/// <summary>Statements that run all the time are parsed once for each session, where the driver keeps that for the session (PostgreSQL): parsing and planning them costs the server more than their work.</summary>
/// <remarks>
/// A pooler may give each transaction another session of the server, which knows nothing of it. That shows at the first statement, nothing is done by it, and from then on none is prepared.
/// The error is passed on, because it has ended the transaction, which is to be tried again: <see cref="SqlErrors.IsUnprepared"/>. Thread-safe.
/// </remarks>
internal sealed class PreparedStatements(SqlDialect dialect)
{
    private volatile bool _cannot;

    /// <summary>Prepares nothing.</summary>
    public static PreparedStatements None { get; } = new(SqlDialect.Sqlite);

    /// <summary>Whether statements are prepared.</summary>
    public bool IsOn => dialect.PreparesStatements && !_cannot;

    /// <summary>Executes a statement, and disposes of it.</summary>
    public async Task<int> ExecuteAsync(DbCommand command, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        return await RunAsync(command, static (c, token) => c.ExecuteNonQueryAsync(token), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Executes a statement that gives rows.</summary>
    public Task<DbDataReader> ReadAsync(DbCommand command, CancellationToken cancellationToken) =>
        RunAsync(command, static (c, token) => c.ExecuteReaderAsync(token), cancellationToken);

    private async Task<T> RunAsync<T>(DbCommand command, Func<DbCommand, CancellationToken, Task<T>> run, CancellationToken cancellationToken)
    {
        if (!IsOn)
            return await run(command, cancellationToken).ConfigureAwait(false);
        try
        {
            // Once for each session; after that it costs no call.
            if (!await CanPrepareAsync(command, cancellationToken).ConfigureAwait(false))
                _cannot = true;
            return await run(command, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (SqlErrors.IsUnprepared(exception))
        {
            _cannot = true;
            throw;
        }
    }

    private static async Task<bool> CanPrepareAsync(DbCommand command, CancellationToken cancellationToken)
    {
        try
        {
            await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NotSupportedException)
        {
            // The driver multiplexes: the statements of many share a session.
            return false;
        }
    }
}

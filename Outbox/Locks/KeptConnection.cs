using System.Data.Common;
using Outbox.Sql;

namespace Outbox.Locks;

/// <summary>One connection of <see cref="KeptConnections"/>, or without these one that is closed after use.</summary>
internal sealed class KeptConnection(DbConnection connection, KeptConnections? keeper) : IAsyncDisposable
{
    private readonly Dictionary<string, DbCommand> _prepared = new(StringComparer.Ordinal);
    private bool _isGood;

    public DbConnection Connection => connection;

    /// <summary>All went well: the connection may be kept.</summary>
    public void Done() => _isGood = true;

    /// <summary>Runs a statement, prepared where that is wanted and works. Its parameters have the same types each time.</summary>
    public async Task<object?> ScalarAsync(string sql, IReadOnlyList<(string Name, object Value)> parameters, CancellationToken cancellationToken)
    {
        if (keeper is not { Prepares: true })
            return await CommandOf(sql, parameters).ScalarAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await (await PrepareAsync(sql, parameters, cancellationToken).ConfigureAwait(false)).ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is { } value and not DBNull ? value : null;
        }
        catch (Exception exception) when (exception is NotSupportedException || SqlErrors.IsUnprepared(exception))
        {
            // A pooler gives each statement another session of the server. Nothing was done.
            keeper.Prepares = false;
            return await CommandOf(sql, parameters).ScalarAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Gives it back to its keeper, or closes it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isGood && keeper is not null)
        {
            _isGood = false;
            if (keeper.TryKeep(this))
                return;
        }
        foreach (var command in _prepared.Values)
            await command.DisposeAsync().ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Closes it. Nobody waits for that, and what was thrown on a timer's thread would end the process.</summary>
    public void Close()
    {
        try
        {
            foreach (var command in _prepared.Values)
                command.Dispose();
            connection.Dispose();
        }
        catch (Exception exception) when (SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception) || exception is InvalidOperationException)
        {
            // It is broken, and its pool knows.
        }
    }

    private DbCommand CommandOf(string sql, IReadOnlyList<(string Name, object Value)> parameters)
    {
        var command = connection.Command(sql);
        foreach (var (name, value) in parameters)
            command.With(name, value);
        return command;
    }

    private async Task<DbCommand> PrepareAsync(string sql, IReadOnlyList<(string Name, object Value)> parameters, CancellationToken cancellationToken)
    {
        if (_prepared.TryGetValue(sql, out var command))
        {
            for (var i = 0; i < parameters.Count; i++)
                command.Parameters[i].Value = parameters[i].Value;
            return command;
        }
        command = CommandOf(sql, parameters);
        _prepared.Add(sql, command);
        await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
        return command;
    }
}

using System.Data;
using System.Data.Common;

namespace Outbox.Sql;

/// <summary>Builds commands from the dialects' statements.</summary>
internal static class SqlCommands
{
    public static DbCommand Command(this DbConnection connection, string sql, DbTransaction? transaction = null)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        // A branch that was begun by a statement is the session's own: its driver knows of no transaction.
        command.Transaction = transaction is TwoPhaseCommit.SessionTransaction ? null : transaction;
        return command;
    }

    public static DbCommand With(this DbCommand command, string name, object? value, DbType? type = null)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        // A null needs a type where the driver cannot infer one.
        if (type is { } dbType)
            parameter.DbType = dbType;
        parameter.Value = value ?? DBNull.Value;
        SqlDialect.OfParameter(parameter)?.Refine(parameter);
        command.Parameters.Add(parameter);
        return command;
    }

    public static async Task<int> ExecuteAsync(this DbCommand command, CancellationToken cancellationToken)
    {
        await using (command.ConfigureAwait(false))
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    public static async Task<object?> ScalarAsync(this DbCommand command, CancellationToken cancellationToken)
    {
        await using (command.ConfigureAwait(false))
            return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is { } value and not DBNull ? value : null;
    }
}

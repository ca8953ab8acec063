using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>A database that can take part in transactions of a coordinator.</summary>
internal sealed class Participant(string name, DbDataSource dataSource, SqlDialect dialect, bool isLastResource)
{
    public string Name => name;

    public DbDataSource DataSource => dataSource;

    public SqlDialect Dialect => dialect;

    /// <summary>Whether it does not prepare: its own commit, which holds the decision too, comes after all others are prepared.</summary>
    public bool IsLastResource => isLastResource;

    /// <summary>Whether branches of it can wait for a decision.</summary>
    public bool Prepares => !isLastResource;

    /// <summary>What to say when the tables are not there.</summary>
    public OutboxConfigurationException TablesMissing(DbException exception) => new(
        $"Participant '{name}': its database lacks a table ({SqlErrors.TextOf(exception)}). Create the outbox's tables there: 'broker schema --database {dialect}' prints the script; or add model.UseOutbox() and a migration.", exception);

    /// <summary>The branches of a coordinator that are prepared here.</summary>
    public async Task<IReadOnlyList<PreparedBranch>> ListPreparedAsync(string coordinator, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await ListPreparedAsync(connection, coordinator, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="ListPreparedAsync(string, CancellationToken)"/>
    public async Task<IReadOnlyList<PreparedBranch>> ListPreparedAsync(DbConnection connection, string coordinator, CancellationToken cancellationToken)
    {
        var command = connection.Command(dialect.Branches!.List);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var found = new List<PreparedBranch>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            // A server shows the branches of all its databases and all coordinators.
            if (dialect.Branches!.Read(reader) is var (id, branch, seconds) && id.Coordinator == coordinator && branch == name)
                found.Add(new PreparedBranch(this, id, seconds is { } age ? TimeSpan.FromSeconds(age) : null));
        }
        return found;
    }

    /// <summary>Whether the branch of a transaction has committed here, by its marker.</summary>
    public async Task<bool> HasMarkerAsync(DbConnection connection, TransactionId id, CancellationToken cancellationToken) =>
        await connection.Command(dialect.FindMarker).With("transaction_id", id.ToString()).With("branch", name).ScalarAsync(cancellationToken).ConfigureAwait(false) is { } found
        && Convert.ToInt32(found, CultureInfo.InvariantCulture) == 1;
}

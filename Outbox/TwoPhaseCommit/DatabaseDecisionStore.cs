using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>Decisions as rows of the table <c>transaction_decisions</c>, under its primary key.</summary>
internal sealed class DatabaseDecisionStore(Participant participant, string coordinator, TimeProvider time) : IDecisionStore
{
    private SqlDialect Dialect => participant.Dialect;

    public string Name => $"database '{participant.Name}'";

    public async Task<(string Origin, int Incarnation, DateTime Now)> LookAsync(CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        for (; ; )
        {
            var found = await ReadCoordinatorAsync(connection, cancellationToken).ConfigureAwait(false);
            if (found is [var known])
                return known;
            try
            {
                await connection.Command(Dialect.InsertCoordinator).With("name", coordinator).With("origin", TransactionId.NewOrigin()).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
            {
                // Another node was faster.
            }
        }
    }

    public async Task RaiseIncarnationAsync(string actor, string reason, CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken).ConfigureAwait(false);
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(Dialect.RaiseIncarnation).With("name", coordinator).With("actor", actor).With("reason", reason).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task<Decision> DecideAsync(Decision proposal, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        for (; ; )
        {
            try
            {
                await Insert(connection, null, proposal).ExecuteAsync(cancellationToken).ConfigureAwait(false);
                return proposal;
            }
            catch (DbException exception) when (SqlErrors.IsDuplicateKey(exception))
            {
                if (await FindAsync(connection, proposal.Id, cancellationToken).ConfigureAwait(false) is { } decided)
                    return decided;
                // The other has just been rolled back.
            }
        }
    }

    /// <summary>The insert of a decision, in a transaction of the caller's: the last resource's.</summary>
    public DbCommand Insert(DbConnection connection, DbTransaction? transaction, Decision proposal) => connection.Command(Dialect.InsertDecision, transaction)
        .With("transaction_id", proposal.Id.ToString())
        .With("coordinator", coordinator)
        .With("decision", proposal.Word)
        .With("reason", proposal.Reason, DbType.String)
        .With("decided_by", proposal.DecidedBy)
        .With("branches", Decision.Write(proposal.Branches));

    public async Task<Decision?> FindAsync(TransactionId id, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await FindAsync(connection, id, cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlyList<Decision>> ListUnfinishedAsync(TimeSpan age, int limit, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await ReadAsync(connection.Command(Dialect.ListUnfinished).With("coordinator", coordinator).With("seconds", (long)Math.Ceiling(age.TotalSeconds)).With("limit", limit), Read, cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlyList<Decision>> ListAsync(bool onlyHeuristic, int limit, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await ReadAsync(connection.Command(onlyHeuristic ? Dialect.ListHeuristic : Dialect.ListDecisions).With("coordinator", coordinator).With("limit", limit), Read, cancellationToken).ConfigureAwait(false);
    }

    public async Task FinishAsync(IReadOnlyList<Decision> decisions, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        foreach (var decision in decisions)
            await connection.Command(Dialect.FinishDecision, transaction).With("transaction_id", decision.Id.ToString()).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task RecordAsync(Decision decision, string outcome, IReadOnlyList<BranchRecord> branches, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(Dialect.RecordOutcome)
            .With("transaction_id", decision.Id.ToString()).With("outcome", outcome).With("branches", Decision.Write(branches))
            .ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task ForgetAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        // One after the other: each has its own order of times in the index.
        foreach (var outcome in (string[])["committed", "rolled-back"])
            await new GradualDelete(time).RunAsync(participant.DataSource, Dialect.DeleteOldDecisions, age, command => command.With("outcome", outcome), cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<(string Origin, int Incarnation, DateTime Now)>> ReadCoordinatorAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(connection.Command(Dialect.ReadCoordinator).With("name", coordinator), row => (row.GetString(0), Convert.ToInt32(row.GetValue(1), CultureInfo.InvariantCulture), row.Utc(2)), cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception))
        {
            throw participant.TablesMissing(exception);
        }
    }

    private async Task<Decision?> FindAsync(DbConnection connection, TransactionId id, CancellationToken cancellationToken) =>
        await ReadAsync(connection.Command(Dialect.FindDecision).With("transaction_id", id.ToString()), Read, cancellationToken).ConfigureAwait(false) is [var found] ? found : null;

    private static Decision Read(DbDataReader row)
    {
        // Only this store writes there, under ids of its own making.
        if (!TransactionId.TryParse(row.GetString(0), out var id))
            throw new OutboxConfigurationException($"The table transaction_decisions holds '{row.GetString(0)}', which is no id of a transaction. Somebody has written it by hand; delete it.");
        return new Decision(id, row.GetString(1) == "commit", row.TextOrNull(2), row.GetString(3), Decision.Read(row.GetString(4)), row.Utc(5), row.TextOrNull(6), row.UtcOrNull(7));
    }

    private ValueTask<DbConnection> OpenAsync(CancellationToken cancellationToken) => participant.DataSource.OpenConnectionAsync(cancellationToken);

    private static async Task<IReadOnlyList<T>> ReadAsync<T>(DbCommand command, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add(read(reader));
        return rows;
    }
}

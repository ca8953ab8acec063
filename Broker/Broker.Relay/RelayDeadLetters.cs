using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The relay's dead letters of one source, as an operator works on them. Safe beside running relays and other operators: each change is one transaction.</summary>
/// <remarks>A death between two batches leaves whole letters on one side or the other; the same command goes on where it ended.</remarks>
internal sealed class RelayDeadLetters(DbDataSource dataSource, SqlDialect dialect)
{
    /// <summary>Letters that one transaction changes.</summary>
    private const int Batch = 500;

    private const int Tries = 10;
    private const int LongestNote = 8_000;

    /// <summary>A letter.</summary>
    /// <param name="Id">Its number.</param>
    /// <param name="Blocks">Whether the later messages of its key wait for it.</param>
    /// <param name="Sequence">Where it lay in the outbox.</param>
    /// <param name="Type">Its type.</param>
    /// <param name="Key">Its key.</param>
    /// <param name="MessageId">Its id, as it was written.</param>
    /// <param name="Reason">Why it could not be published.</param>
    /// <param name="Attempts">How often that was tried.</param>
    /// <param name="FirstFailedAt">When it failed first, UTC.</param>
    internal sealed record Letter(long Id, bool Blocks, long Sequence, string Type, string? Key, string MessageId, string Reason, int Attempts, DateTime FirstFailedAt);

    /// <summary>Which letters are meant.</summary>
    /// <param name="Id">One of this number.</param>
    /// <param name="Type">Those of a type.</param>
    /// <param name="Key">Those of a key.</param>
    internal sealed record Filter(long? Id = null, string? Type = null, string? Key = null);

    /// <summary>The next letters after one, in order of their ids.</summary>
    public async Task<IReadOnlyList<Letter>> ListAsync(Filter filter, long after, int limit, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command(dialect.ListDeadLetters)
            .With("after", after).With("limit", limit)
            .With("id", filter.Id, System.Data.DbType.Int64).With("type", filter.Type, System.Data.DbType.String).With("key", filter.Key, System.Data.DbType.String);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var letters = new List<Letter>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            letters.Add(new Letter(
                reader.GetInt64(0), reader.GetString(1) == "blocking", reader.IsDBNull(3) ? 0 : reader.GetInt64(3), reader.IsDBNull(4) ? "" : reader.GetString(4), reader.IsDBNull(5) ? null : reader.GetString(5),
                reader.IsDBNull(6) ? "" : reader.GetString(6), reader.GetString(7), Convert.ToInt32(reader.GetValue(8), CultureInfo.InvariantCulture), reader.GetDateTime(9)));
        }
        return letters;
    }

    /// <summary>Moves letters back into the outbox, those of blocked keys to their old places. Returns how many.</summary>
    public Task<int> RedriveAsync(Filter filter, CancellationToken cancellationToken) => ForEachBatchAsync(filter, (connection, ids, token) => ChangeAsync(connection, dialect.RedriveDeadLetters, ids, null, token), cancellationToken);

    /// <summary>Closes letters for good; they are kept with the note. Returns how many.</summary>
    public Task<int> DiscardAsync(Filter filter, string note, CancellationToken cancellationToken) =>
        ForEachBatchAsync(filter, (connection, ids, token) => ChangeAsync(connection, [dialect.DiscardDeadLetters], ids, note.Length > LongestNote ? note[..LongestNote] : note, token), cancellationToken);

    private async Task<int> ForEachBatchAsync(Filter filter, Func<DbConnection, IReadOnlyList<long>, CancellationToken, Task> changeAsync, CancellationToken cancellationToken)
    {
        var count = 0;
        for (var after = 0L; ;)
        {
            var letters = await ListAsync(filter, after, Batch, cancellationToken).ConfigureAwait(false);
            if (letters.Count == 0)
                return count;
            var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                for (var failures = 1; ; failures++)
                {
                    try
                    {
                        await changeAsync(connection, [.. letters.Select(l => l.Id)], cancellationToken).ConfigureAwait(false);
                        break;
                    }
                    catch (DbException exception) when (failures < Tries && SqlErrors.IsTransient(exception))
                    {
                        // Undone as a whole.
                    }
                }
            }
            (count, after) = (count + letters.Count, letters[^1].Id);
        }
    }

    private async Task ChangeAsync(DbConnection connection, IReadOnlyList<string> statements, IReadOnlyList<long> ids, string? note, CancellationToken cancellationToken)
    {
        // G6: a letter is in the outbox or here, never in neither.
        var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation, cancellationToken).ConfigureAwait(false);
        await using var _ = transaction.ConfigureAwait(false);
        foreach (var statement in statements)
        {
            var command = connection.Command(statement, transaction).With("ids", dialect.SequencesParameter(ids));
            if (note is not null)
                command.With("note", note);
            await command.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }
}

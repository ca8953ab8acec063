using System.Data;
using System.Data.Common;
using System.Globalization;
using Newtonsoft.Json;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Rows that leave the outbox on another way than through the broker, and those that come back.</summary>
internal sealed partial class SqlOutboxStore
{
    private const int LongestReason = 1_000;

    public Task<bool> ExpireAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) =>
        _source.Options.OnExpired == ExpiredPolicy.Archive ? MoveAsync(Dialect.ArchiveMessages, command => BindSettled(command, sequences).With("outcome", "expired"), cancellationToken) : DropAsync(sequences, cancellationToken);

    public Task<bool> DeadLetterAsync(IReadOnlyList<DeadRow> rows, CancellationToken cancellationToken)
    {
        List<long> sequences = [.. rows.Select(r => r.Row.Sequence)];
        var letters = JsonConvert.SerializeObject(rows.Select(r => new
        {
            sequence = r.Row.Sequence,
            attempts = r.Attempts,
            reason = Cut(r.Reason),
            age = Math.Round(r.Age.TotalSeconds, 3),
            state = r.Blocks ? "blocking" : "dead",
        }));
        return MoveAsync(Dialect.DeadLetterMessages, command => BindSettled(command, sequences).With("source", _source.Name).With("letters", letters), cancellationToken);
    }

    public Task<IReadOnlyList<BlockingLetter>> ReadBlockingAsync(CancellationToken cancellationToken) => AgainAsync<IReadOnlyList<BlockingLetter>>(async connection =>
    {
        var command = connection.Command(Dialect.ReadBlocking).With("partition", _partition);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var letters = new List<BlockingLetter>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            letters.Add(new BlockingLetter(
                reader.GetString(0), reader.IsDBNull(1) ? 0 : reader.GetInt64(1), reader.IsDBNull(2) ? "" : reader.GetString(2), reader.GetString(3),
                TimeSpan.FromSeconds(Math.Max(0, Convert.ToDouble(reader.GetValue(4), CultureInfo.InvariantCulture)))));
        }
        return letters;
    }, cancellationToken);

    public Task<bool> ScheduleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => MoveAsync(Dialect.ScheduleMessages, command => BindSettled(command, sequences), cancellationToken);

    public Task<IReadOnlyList<(long Id, TimeSpan DueIn)>> ListScheduledAsync(int limit, CancellationToken cancellationToken) => AgainAsync<IReadOnlyList<(long, TimeSpan)>>(async connection =>
    {
        var command = connection.Command(Dialect.ListScheduled).With("partition", _partition).With("limit", limit);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<(long, TimeSpan)>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            // A time that cannot be read is no reason to keep a row for ever.
            var seconds = reader.IsDBNull(1) ? 0 : Convert.ToDouble(reader.GetValue(1), CultureInfo.InvariantCulture);
            rows.Add((reader.GetInt64(0), TimeSpan.FromSeconds(Math.Clamp(seconds, 0, TimeSpan.FromDays(10_000).TotalSeconds))));
        }
        return rows;
    }, cancellationToken);

    public Task<bool> ReturnAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) => MoveAsync(Dialect.ReturnMessages, command => BindSettled(command, ids), cancellationToken);

    /// <summary>Moves rows from one table to another: all of the statements, or none. False if the lease is in other hands.</summary>
    private Task<bool> MoveAsync(IReadOnlyList<string> statements, Func<DbCommand, DbCommand> bind, CancellationToken cancellationToken) => AgainAsync(async connection =>
    {
        if (statements is [var statement])
        {
            await bind(connection.Command(statement)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        else
        {
            // G5: the first statement locks the lease's row, so the token stays as it is until the commit.
            var transaction = await connection.BeginTransactionAsync(Dialect.ConsumerIsolation, cancellationToken).ConfigureAwait(false);
            await using var _ = transaction.ConfigureAwait(false);
            foreach (var step in statements)
                await bind(connection.Command(step, transaction)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
        return await IsHeldAsync(connection, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>PostgreSQL's JSON and text hold no zero.</summary>
    private static string Cut(string reason)
    {
        var length = reason.Length <= LongestReason ? reason.Length : char.IsHighSurrogate(reason[LongestReason - 1]) ? LongestReason - 1 : LongestReason;
        return reason[..length].Replace("\0", "", StringComparison.Ordinal);
    }
}

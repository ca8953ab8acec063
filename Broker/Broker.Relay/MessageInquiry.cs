using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>What one database knows of one message.</summary>
internal sealed class MessageInquiry(DbConnection connection, SqlDialect dialect, string source, Guid messageId, TimeProvider time)
{
    /// <summary>How long the outbox is looked through.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly long _began = time.GetTimestamp();

    private readonly List<MessageStep> _steps = [];

    /// <summary>What it knows.</summary>
    public IReadOnlyList<MessageStep> Steps => _steps;

    /// <summary>Whether the outbox holds more rows than were looked through.</summary>
    public bool IsCutShort { get; private set; }

    /// <summary>Asks all tables. The way of a message is asked from its end to its beginning, so that one that moves on meanwhile is seen twice rather than not at all.</summary>
    public async Task RunAsync(int pageSize, int mostRows, CancellationToken cancellationToken)
    {
        for (var consumer = await NextConsumerAsync("", cancellationToken).ConfigureAwait(false); consumer is not null; consumer = await NextConsumerAsync(consumer, cancellationToken).ConfigureAwait(false))
            await AskConsumerAsync(consumer, cancellationToken).ConfigureAwait(false);
        await EachAsync(Asked(dialect.FindDeadLetterActions), row => new MessageStep(MessageStepKind.Action, row.Utc(0), source)
        {
            DeadLetterId = row.GetInt64(1), Consumer = row.GetString(2) == "consumer" ? row.GetString(3) : null, State = row.GetString(4), Actor = row.GetString(5), Reason = row.TextOrNull(6),
        }, cancellationToken).ConfigureAwait(false);
        await EachAsync(connection.Command(dialect.ReadReceipts).With("message_ids", dialect.MessageIdsParameter([messageId])), row => new MessageStep(MessageStepKind.Receipt, row.Utc(4), source)
        {
            Consumer = row.GetString(1), State = row.GetString(2), Reason = row.TextOrNull(3),
        }, cancellationToken).ConfigureAwait(false);
        await EachAsync(Asked(dialect.FindArchived), row => new MessageStep(row.GetString(4) == "expired" ? MessageStepKind.Expired : MessageStepKind.Published, row.Utc(3), source)
        {
            Type = row.TextOrNull(0), Key = row.TextOrNull(1), Partition = (int?)row.NumberOrNull(5), Sequence = row.NumberOrNull(6),
        }, cancellationToken, writtenAt: 2).ConfigureAwait(false);
        await EachAsync(Asked(dialect.FindDeadLetters), row => new MessageStep(MessageStepKind.DeadLetter, row.Utc(4), source)
        {
            Type = row.TextOrNull(0), Key = row.TextOrNull(1), DeadLetterId = row.GetInt64(5), Consumer = row.GetString(6) == "consumer" ? row.GetString(7) : null, State = row.GetString(8),
            Attempts = Convert.ToInt32(row.GetValue(9), CultureInfo.InvariantCulture), Reason = row.GetString(10), Partition = (int?)row.NumberOrNull(11), Sequence = row.NumberOrNull(12),
        }, cancellationToken, writtenAt: 2).ConfigureAwait(false);
        await LookForWaitingAsync(pageSize, mostRows, cancellationToken).ConfigureAwait(false);
        await LookForScheduledAsync(pageSize, mostRows, cancellationToken).ConfigureAwait(false);
    }

    private async Task<string?> NextConsumerAsync(string after, CancellationToken cancellationToken) =>
        (string?)await connection.Command(dialect.NextConsumer).With("after", after).ScalarAsync(cancellationToken).ConfigureAwait(false);

    private async Task AskConsumerAsync(string consumer, CancellationToken cancellationToken)
    {
        await EachAsync(Asked(dialect.FindApplied).With("consumer", consumer), row => new MessageStep(MessageStepKind.Applied, row.Utc(1), source)
        {
            Consumer = consumer, Operation = row.GetString(0) is { Length: > 0 } operation ? operation : null,
        }, cancellationToken).ConfigureAwait(false);
        await EachAsync(Asked(dialect.FindDeferred).With("consumer", consumer), row => new MessageStep(MessageStepKind.Deferred, row.Utc(2), source)
        {
            Consumer = consumer, Type = row.TextOrNull(0), Key = row.TextOrNull(1), State = row.GetString(3), Attempts = Convert.ToInt32(row.GetValue(4), CultureInfo.InvariantCulture),
            Reason = row.TextOrNull(5), NextAttemptAt = row.UtcOrNull(6),
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task LookForWaitingAsync(int pageSize, int mostRows, CancellationToken cancellationToken)
    {
        for (var partition = await NextPartitionAsync(short.MinValue, cancellationToken).ConfigureAwait(false); partition is { } number; partition = await NextPartitionAsync(number, cancellationToken).ConfigureAwait(false))
        {
            var place = await ScanAsync(() => Asked(dialect.ScanMessages).With("partition", number), pageSize, mostRows, cancellationToken).ConfigureAwait(false);
            if (place is not { } sequence)
                continue;
            var command = connection.Command(dialect.ReadWaitingMessage).With("partition", number).With("sequence", sequence);
            await EachAsync(command, row => new MessageStep(MessageStepKind.Waiting, row.UtcOrNull(3) is { } due && due > row.Utc(2) ? due : row.Utc(2), source)
            {
                Type = row.TextOrNull(0), Key = row.TextOrNull(1), Partition = number, Sequence = sequence, NextAttemptAt = row.UtcOrNull(3),
            }, cancellationToken, writtenAt: 2).ConfigureAwait(false);
        }
    }

    private async Task LookForScheduledAsync(int pageSize, int mostRows, CancellationToken cancellationToken)
    {
        if (await ScanAsync(() => Asked(dialect.ScanScheduled), pageSize, mostRows, cancellationToken).ConfigureAwait(false) is not { } id)
            return;
        await EachAsync(connection.Command(dialect.ReadScheduledMessage).With("id", id), row => new MessageStep(MessageStepKind.Scheduled, row.Utc(2), source)
        {
            Type = row.TextOrNull(0), Key = row.TextOrNull(1), NextAttemptAt = row.Utc(3), Partition = (int?)row.NumberOrNull(4), Sequence = row.NumberOrNull(5),
        }, cancellationToken, writtenAt: 2).ConfigureAwait(false);
    }

    private async Task<short?> NextPartitionAsync(short after, CancellationToken cancellationToken) =>
        await connection.Command(dialect.NextPartition).With("after", after).ScalarAsync(cancellationToken).ConfigureAwait(false) is { } partition ? Convert.ToInt16(partition, CultureInfo.InvariantCulture) : null;

    /// <summary>Where a message lies in a table without an index for it.</summary>
    private async Task<long?> ScanAsync(Func<DbCommand> command, int pageSize, int mostRows, CancellationToken cancellationToken)
    {
        var (after, seen) = (0L, 0L);
        while (true)
        {
            var page = command().With("after", after).With("limit", pageSize);
            await using var _ = page.ConfigureAwait(false);
            var reader = await page.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var __ = reader.ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (reader.NumberOrNull(2) is { } place)
                return place;
            var rows = reader.NumberOrNull(1) ?? 0;
            if (rows < pageSize || reader.NumberOrNull(0) is not { } last)
                return null;
            (after, seen) = (last, seen + rows);
            if (seen >= mostRows || time.GetElapsedTime(_began) > Patience)
            {
                IsCutShort = true;
                return null;
            }
        }
    }

    private DbCommand Asked(string statement) => connection.Command(statement).With("message_id", messageId);

    private async Task EachAsync(DbCommand command, Func<DbDataReader, MessageStep> read, CancellationToken cancellationToken, int? writtenAt = null)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var step = read(reader);
            _steps.Add(step);
            // A message that is both in the archive and, put back, in the outbox was written once.
            if (writtenAt is { } ordinal && reader.UtcOrNull(ordinal) is { } written && !_steps.Any(s => s.Kind == MessageStepKind.Written && s.At == written))
                _steps.Add(new MessageStep(MessageStepKind.Written, written, source) { Type = step.Type, Key = step.Key, Partition = step.Partition, Sequence = step.Sequence });
        }
    }
}

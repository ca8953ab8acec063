using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The dead letters of one database, of its relay and of its consumers, as an operator works on them. Safe beside running relays, consumers and other operators: each change is one transaction.</summary>
/// <remarks>A death between two batches leaves whole letters on one side or the other; the same command goes on where it ended. What is done is written down by the same transaction, with who did it.</remarks>
/// <param name="dataSource">The database.</param>
/// <param name="dialect">Its engine.</param>
/// <param name="actor">Who works here.</param>
internal sealed partial class DeadLetterDesk(DbDataSource dataSource, SqlDialect dialect, string actor)
{
    /// <summary>Letters that one transaction changes.</summary>
    private const int Batch = 500;

    /// <summary>Letters that are listed at once. A list may look at every letter to find its first, where the engine believes the table to be as small as it was a minute ago; a change never does.</summary>
    private const int Listed = 5_000;

    private const int Tries = 10;
    private const int LongestNote = 8_000;
    private const int LongestActor = 200;

    /// <summary>Who works at this program.</summary>
    public static string ThisUser => $"{Environment.UserName}@{Environment.MachineName}";

    /// <summary>Told after each transaction how many letters it has changed.</summary>
    public Action<int>? Changed { get; init; }

    /// <summary>The same desk, which tells how far it is.</summary>
    public DeadLetterDesk Telling(Action<int> changed) => new(dataSource, dialect, actor) { Changed = changed };

    /// <summary>Puts letters back: the relay's into the outbox, a consumer's to that consumer, those of blocked keys to their old places. Returns how many. Messages without an id stay: no consumer could take them.</summary>
    public Task<int> RedriveAsync(Filter filter, string? reason, CancellationToken cancellationToken) =>
        ForEachBatchAsync(filter, letters => [.. letters.Where(l => l.Consumer is null || l.MessageId.Length > 0)], async (transaction, ids, token) =>
        {
            await RecordAsync(transaction, ids, "redriven", reason, keepsBody: false, token).ConfigureAwait(false);
            foreach (var statement in dialect.RedriveDeadLetters)
                await transaction.Connection!.Command(statement, transaction).With("ids", dialect.SequencesParameter(ids)).ExecuteAsync(token).ConfigureAwait(false);
            await PutBackAsync(transaction, ids, token).ConfigureAwait(false);
        }, cancellationToken);

    /// <summary>Replaces a letter's body and puts it back. The body from before is kept with the record of it. Returns 1, or 0 if there is no such letter.</summary>
    public Task<int> RedriveEditedAsync(long id, ReadOnlyMemory<byte> body, string? reason, CancellationToken cancellationToken) =>
        ForEachBatchAsync(new Filter(id), letters => [.. letters.Where(l => l.Consumer is null || l.MessageId.Length > 0)], async (transaction, ids, token) =>
        {
            await RecordAsync(transaction, ids, "edited", reason, keepsBody: true, token).ConfigureAwait(false);
            await transaction.Connection!.Command(dialect.EditDeadLetter, transaction).With("id", id).With("body", body.ToArray()).ExecuteAsync(token).ConfigureAwait(false);
            await RecordAsync(transaction, ids, "redriven", reason, keepsBody: false, token).ConfigureAwait(false);
            foreach (var statement in dialect.RedriveDeadLetters)
                await transaction.Connection!.Command(statement, transaction).With("ids", dialect.SequencesParameter(ids)).ExecuteAsync(token).ConfigureAwait(false);
            await PutBackAsync(transaction, ids, token).ConfigureAwait(false);
        }, cancellationToken);

    /// <summary>Closes letters for good; they are kept with the reason, and their keys go on. Returns how many.</summary>
    public Task<int> DiscardAsync(Filter filter, string reason, CancellationToken cancellationToken) =>
        ForEachBatchAsync(filter, letters => letters, async (transaction, ids, token) =>
        {
            await RecordAsync(transaction, ids, "discarded", reason, keepsBody: false, token).ConfigureAwait(false);
            foreach (var letter in (await ReadAsync(transaction, ids, token).ConfigureAwait(false)).Where(l => l.HasPlace))
                await new DeferredQueue(letter.Consumer, dialect).UnburyAsync(transaction, letter.MessageId, token).ConfigureAwait(false);
            var note = string.Create(CultureInfo.InvariantCulture, $"discarded by {actor} at {TimeProvider.System.GetUtcNow():u}: {reason}");
            await transaction.Connection!.Command(dialect.DiscardDeadLetters, transaction).With("ids", dialect.SequencesParameter(ids)).With("note", Cut(note, LongestNote)).ExecuteAsync(token).ConfigureAwait(false);
        }, cancellationToken);

    private Task<int> RecordAsync(DbTransaction transaction, IReadOnlyList<long> ids, string action, string? reason, bool keepsBody, CancellationToken cancellationToken) =>
        transaction.Connection!.Command(dialect.RecordDeadLetterActions, transaction)
            .With("ids", dialect.SequencesParameter(ids)).With("action", action).With("actor", Cut(actor, LongestActor)).With("reason", reason is null ? null : Cut(reason, LongestNote), DbType.String).With("keeps_body", keepsBody ? 1 : 0)
            .ExecuteAsync(cancellationToken);

    /// <summary>Puts consumers' letters back where they came from: each to its consumer, and nowhere else.</summary>
    private async Task PutBackAsync(DbTransaction transaction, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        var letters = await ReadAsync(transaction, ids, cancellationToken).ConfigureAwait(false);
        foreach (var ofConsumer in letters.GroupBy(l => l.Consumer))
        {
            var queue = new DeferredQueue(ofConsumer.Key, dialect);
            foreach (var letter in ofConsumer.Where(l => l.HasPlace))
                await queue.PutBackAsync(transaction, letter.MessageId, letter.Delivery, cancellationToken).ConfigureAwait(false);
            // Many at once, and in the order of the letters: a hundred thousand are a matter of seconds.
            await queue.PutBehindAsync(transaction, [.. ofConsumer.Where(l => !l.HasPlace).Select(l => (l.MessageId, l.Delivery))], cancellationToken).ConfigureAwait(false);
        }
        if (letters.Count > 0)
            await transaction.Connection!.Command(dialect.DeleteConsumerLetters, transaction).With("ids", dialect.SequencesParameter(ids)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private sealed record ConsumerLetter(string Consumer, Guid MessageId, DeferredDelivery Delivery, bool HasPlace);

    private async Task<IReadOnlyList<ConsumerLetter>> ReadAsync(DbTransaction transaction, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        var command = transaction.Connection!.Command(dialect.ReadConsumerLetters, transaction).With("ids", dialect.SequencesParameter(ids));
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var letters = new List<ConsumerLetter>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            // Without an id there is nothing that it could be put back as, and no place that was kept for it.
            if (!reader.IsDBNull(2))
                letters.Add(new ConsumerLetter(reader.GetString(1), dialect.ReadGuid(reader, 2), DeferredDelivery.Read(reader, 3), Convert.ToInt32(reader.GetValue(8), CultureInfo.InvariantCulture) > 0));
        }
        return letters;
    }

    /// <summary>How often the messages of letters were redriven before; those that never were are missing.</summary>
    private async Task<Dictionary<long, int>> RedrivesAsync(IReadOnlyList<Letter> letters, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command(dialect.CountRedrives).With("ids", dialect.SequencesParameter([.. letters.Select(l => l.Id)]));
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var times = new Dictionary<long, int>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            times[reader.GetInt64(0)] = Convert.ToInt32(reader.GetValue(1), CultureInfo.InvariantCulture);
        return times;
    }

    /// <summary>Those of a batch that are meant, as far as the list could not tell.</summary>
    private async Task<IReadOnlyList<Letter>> MeantAsync(Filter filter, IReadOnlyList<Letter> listed, CancellationToken cancellationToken)
    {
        // What was discarded stays so.
        IReadOnlyList<Letter> open = [.. listed.Where(l => l.IsOpen && !(l.Id > filter.UpTo) && !(l.LastFailedAt > filter.Until))];
        if (filter.MostRedrives is not { } most || open.Count == 0)
            return open;
        var times = await RedrivesAsync(open, cancellationToken).ConfigureAwait(false);
        return [.. open.Where(l => times.GetValueOrDefault(l.Id) < most)];
    }

    private async Task<int> ForEachBatchAsync(Filter filter, Func<IReadOnlyList<Letter>, IReadOnlyList<Letter>> choose, Func<DbTransaction, IReadOnlyList<long>, CancellationToken, Task> changeAsync, CancellationToken cancellationToken)
    {
        var count = 0;
        for (var after = 0L; ;)
        {
            var listed = await ListAsync(filter, after, Listed, cancellationToken).ConfigureAwait(false);
            if (listed.Count == 0 || listed[0].Id > filter.UpTo)
                return count;
            after = listed[^1].Id;
            foreach (var batch in listed.Chunk(Batch))
            {
                var ids = choose(await MeantAsync(filter, batch, cancellationToken).ConfigureAwait(false)).Select(l => l.Id).ToList();
                await TryChangeAsync(ids, changeAsync, cancellationToken).ConfigureAwait(false);
                count += ids.Count;
                Changed?.Invoke(ids.Count);
            }
        }
    }

    private async Task TryChangeAsync(List<long> ids, Func<DbTransaction, IReadOnlyList<long>, CancellationToken, Task> changeAsync, CancellationToken cancellationToken)
    {
        for (var failures = 1; ids.Count > 0; failures++)
        {
            try
            {
                await ChangeAsync(ids, changeAsync, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (DbException exception) when (failures < Tries && SqlErrors.IsTransient(exception))
            {
                // Undone as a whole.
            }
        }
    }

    private async Task ChangeAsync(IReadOnlyList<long> ids, Func<DbTransaction, IReadOnlyList<long>, CancellationToken, Task> changeAsync, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        // G6: a letter is where it came from or here, never in neither.
        var transaction = await connection.BeginTransactionAsync(dialect.ConsumerIsolation, cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        await connection.Command(dialect.HoldDeadLetters, transaction).With("ids", dialect.SequencesParameter(ids)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        await changeAsync(transaction, ids, cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static string Cut(string text, int length) => IncomingMessage.Fit(text, length)!;
}

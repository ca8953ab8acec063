using System.Data;
using System.Data.Common;
using Newtonsoft.Json;
using Outbox.Consumers;
using Outbox.Sql;

namespace Outbox.Inbox;

/// <summary>Dedupes by the numbers that a key's own messages carry: one row for each key instead of one for each message, and no end to what it remembers.</summary>
/// <remarks>
/// G4: the row is held from the look at it to the commit of the effects, so of two processes with copies of a message the second waits, and then finds the number taken.
/// A death before the commit leaves the row as it was. Who finds its number too high defers its message under the same hold, so whoever applies the number before it sees that message and makes it due.
/// </remarks>
internal sealed class InboxKeys(string consumer, SqlDialect dialect, KeySequenceStart start = KeySequenceStart.One)
{
    /// <summary>Takes hold of the keys of some messages until the transaction ends.</summary>
    public async Task<KeyNumbers> TakeAsync(DbTransaction transaction, IReadOnlyCollection<IncomingMessage> messages, CancellationToken cancellationToken)
    {
        var taken = new KeyNumbers();
        foreach (var source in messages.GroupBy(m => m.SourceKey, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            // In the same order everywhere, so that two batches that share keys cannot each wait for the other.
            var lowest = source.GroupBy(m => m.OrderKey!, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Min(m => m.KeySequence!.Value), StringComparer.Ordinal);
            await LockAsync(transaction, source.Key, [.. lowest.Keys], taken, cancellationToken).ConfigureAwait(false);
            var missing = lowest.Where(k => !taken.Has(source.Key, k.Key)).ToList();
            if (missing.Count == 0)
                continue;
            await transaction.Connection!.Command(dialect.AddInboxKeys, transaction).With("consumer", consumer).With("source", source.Key)
                .With("numbers", Numbers(missing.Select(k => (k.Key, start == KeySequenceStart.FirstSeen ? k.Value - 1 : 0)))).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            await LockAsync(transaction, source.Key, [.. missing.Select(k => k.Key)], taken, cancellationToken).ConfigureAwait(false);
        }
        return taken;
    }

    /// <summary>Writes how far keys have come, and makes due what waited for that. Returns how many messages are due now.</summary>
    public async Task<int> SaveAsync(DbTransaction transaction, KeyNumbers numbers, CancellationToken cancellationToken)
    {
        var moved = numbers.All.Where(p => p.HasMoved || p.HasSkipped).ToList();
        foreach (var source in moved.Where(p => !p.HasSkipped).GroupBy(p => p.Source, StringComparer.Ordinal))
        {
            await transaction.Connection!.Command(dialect.MoveInboxKeys, transaction).With("consumer", consumer).With("source", source.Key)
                .With("numbers", Numbers(source.Select(p => (p.Key, p.Last)))).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        foreach (var progress in moved.Where(p => p.HasSkipped))
        {
            await transaction.Connection!.Command(dialect.ChangeInboxKey, transaction).With("consumer", consumer).With("source", progress.Source).With("key", progress.Key)
                .With("last", progress.Last).With("skipped", progress.Skipped, DbType.String).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        return moved.Count == 0 ? 0 : await transaction.Connection!.Command(dialect.PromoteNumbers, transaction).With("consumer", consumer)
            .With("numbers", Numbers(moved.Select(p => (p.Key, p.Last + 1)))).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>An operator has decided that a message is not wanted: its key goes on after it, without what is missing before it. Nothing happens where the consumer does not go by numbers.</summary>
    public async Task GiveUpAsync(DbTransaction transaction, string? source, string key, long number, CancellationToken cancellationToken)
    {
        var numbers = new KeyNumbers();
        await LockAsync(transaction, IncomingMessage.SourceKeyOf(source), [key], numbers, cancellationToken).ConfigureAwait(false);
        if (numbers.All.SingleOrDefault() is not { } progress || number <= progress.Last)
            return;
        // G3: what is deferred is not missing, and keeps its turn.
        if (await HasLowerAsync(transaction, source, progress, number, cancellationToken).ConfigureAwait(false))
            progress.Pass(number);
        else
        {
            progress.PassBefore(number);
            progress.Apply(number);
        }
        await SaveAsync(transaction, numbers, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether a lower number of the key is deferred, so that the key waits for that and not for what has never come.</summary>
    /// <param name="transaction">Holds the key.</param>
    /// <param name="source">The source as messages name it.</param>
    /// <param name="progress">Where the key stands.</param>
    /// <param name="number">The number.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<bool> HasLowerAsync(DbTransaction transaction, string? source, KeyProgress progress, long number, CancellationToken cancellationToken) =>
        await transaction.Connection!.Command(dialect.FindLowerNumber, transaction).With("consumer", consumer).With("source", IncomingMessage.Fit(source, 1_000) ?? "").With("key", progress.Key)
            .With("last", progress.Last).With("number", number).ScalarAsync(cancellationToken).ConfigureAwait(false) is not null;

    private async Task LockAsync(DbTransaction transaction, string source, IReadOnlyList<string> keys, KeyNumbers taken, CancellationToken cancellationToken)
    {
        var command = transaction.Connection!.Command(dialect.LockInboxKeys, transaction).With("consumer", consumer).With("source", source).With("keys", dialect.KeysParameter(keys));
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            taken.Add(new KeyProgress(source, reader.GetString(0), reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetString(2)));
    }

    private static string Numbers(IEnumerable<(string Key, long Number)> numbers) => JsonConvert.SerializeObject(numbers.Select(n => new object[] { n.Key, n.Number }));
}

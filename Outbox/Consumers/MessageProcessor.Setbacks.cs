using System.Data;
using System.Data.Common;
using Outbox.Diagnostics;
using Outbox.Inbox;
using Outbox.Messages;
using Outbox.Sagas;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>What becomes of a message that failed: it is deferred, or set aside with its reason (G6).</summary>
internal sealed partial class MessageProcessor
{
    /// <summary>
    /// When a message that waits behind another's is looked at, should nobody have promoted it: that one may have been dealt with at the same moment, by somebody who could not see it yet.
    /// One process handles a key's messages one after the other, so it takes two for that.
    /// </summary>
    public static readonly TimeSpan BehindLook = TimeSpan.FromSeconds(2);

    /// <summary>Writes a failure down, in a transaction of its own. A death before the commit leaves the message where it was: at the broker, or deferred as before.</summary>
    public async Task<BatchResult> SetBackAsync(IncomingMessage incoming, Exception error, CancellationToken cancellationToken)
    {
        var connection = await OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(_dialect.ConsumerIsolation, cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        var numbers = await TakeNumbersAsync(transaction, [incoming], cancellationToken).ConfigureAwait(false);
        var keyGoesOn = false;
        if (incoming.Row is { } row)
        {
            var held = await _deferred.HoldAsync(transaction, [row.Id], cancellationToken).ConfigureAwait(false);
            if (!held.IsUnchanged(row))
                return new BatchResult(incoming, BatchOutcome.NotOurs);
            keyGoesOn = options.OrderKeyOf(incoming) is not null && held.IsFollowed(row);
        }
        if (numbers.TryGet(incoming, out var progress) && options.NumberOf(incoming) is { } number)
        {
            var isAhead = progress.PlaceOf(number) == NumberPlace.Ahead;
            // What it waited for may have come since.
            if (error is MissingNumberException && (!isAhead || await _keys.HasLowerAsync(transaction, incoming.Source, progress, number, cancellationToken).ConfigureAwait(false)))
                return new BatchResult(incoming, BatchOutcome.NotOurs);
            // G3: what is deferred before it is not missing.
            if (isAhead && IsPutBack(incoming) && !await _keys.HasLowerAsync(transaction, incoming.Source, progress, number, cancellationToken).ConfigureAwait(false))
                progress.PassBefore(number);
            else if (isAhead && error is not MissingNumberException && !IsFinal(error))
            {
                // It has not been handled, so it has not failed: a transaction to let it wait has.
                var freesOthers = await WaitAsync(transaction, incoming, numbers, cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                return new BatchResult(incoming, BatchOutcome.Behind, FreesOthers: freesOthers);
            }
        }
        var result = SetbackOf(incoming, error, keyGoesOn);
        await WriteAsync(transaction, [result], cancellationToken).ConfigureAwait(false);
        result = result with { FreesOthers = await SaveNumbersAsync(transaction, numbers, [result], cancellationToken).ConfigureAwait(false) };
        await _steps.ReachedAsync("set back").ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        await _steps.ReachedAsync("setback committed").ConfigureAwait(false);
        return result;
    }

    /// <summary>What is to become of a message that failed.</summary>
    private BatchResult SetbackOf(IncomingMessage incoming, Exception error, bool keyGoesOn)
    {
        var attempts = incoming.Attempts + 1;
        if (IsFinal(error) || error is MissingNumberException || attempts >= options.MaxAttempts)
            return new BatchResult(incoming, BatchOutcome.Dead, error, KeyGoesOn: keyGoesOn && !Blocks(incoming, error));
        return new BatchResult(incoming, BatchOutcome.Failed, error, Backoff.Delay(attempts, options.RetryDelay, options.MaxRetryDelay));
    }

    private static bool IsFinal(Exception error) => error is RejectMessageException or UnreadableMessageException;

    /// <summary>Whether later messages of its key wait for an operator. What is refused will be no better tomorrow, so nobody waits for that.</summary>
    private bool Blocks(IncomingMessage incoming, Exception error) =>
        options.QueueKeyOf(incoming) is not null && options.OnDeadLetter == DeadLetterPolicy.BlockKey && incoming.MessageId is not null && !IsFinal(error);

    /// <summary>Writes down what became of messages that were not applied, in their order.</summary>
    private async Task WriteAsync(DbTransaction transaction, IReadOnlyList<BatchResult> setbacks, CancellationToken cancellationToken)
    {
        var (added, again, removed, here) = (new List<DeferredQueue.Entry>(), new List<DeferredQueue.Entry>(), new List<IncomingMessage>(), new HashSet<string>(StringComparer.Ordinal));
        foreach (var result in setbacks)
        {
            var (incoming, attempts) = (result.Incoming, result.Incoming.Attempts + 1);
            switch (result.Outcome)
            {
                case BatchOutcome.Failed when incoming.Row is not null:
                    again.Add(new DeferredQueue.Entry(incoming, DeferredState.Failed, attempts, result.Error, result.Wait));
                    break;
                case BatchOutcome.Failed:
                    added.Add(new DeferredQueue.Entry(incoming, DeferredState.Failed, attempts, result.Error, result.Wait));
                    break;
                case BatchOutcome.Dead:
                    var blocks = Blocks(incoming, result.Error!);
                    await DeadLetterAsync(transaction, incoming, result.Error!, attempts, blocks, cancellationToken).ConfigureAwait(false);
                    if (!blocks && incoming.Row is not null)
                        removed.Add(incoming);
                    else if (blocks && incoming.Row is { } row)
                        await _deferred.BuryAsync(transaction, row, attempts, result.Error!, cancellationToken).ConfigureAwait(false);
                    else if (blocks)
                        added.Add(new DeferredQueue.Entry(incoming, DeferredState.Dead, attempts, result.Error, Wait: null));
                    break;
                case BatchOutcome.Behind when options.NumberOf(incoming) is null:
                    // Behind one that this transaction writes or holds, nobody can promote it before the commit. Behind another's, it must be found by itself if need be.
                    added.Add(new DeferredQueue.Entry(incoming, DeferredState.Behind, 0, null, here.Contains(incoming.OrderKey!) ? null : BehindLook));
                    break;
            }
            if (incoming.OrderKey is { } key && (result.Outcome == BatchOutcome.Failed || (result.Outcome == BatchOutcome.Dead && Blocks(incoming, result.Error!))))
                here.Add(key);
        }
        await _deferred.AgainAsync(transaction, again, cancellationToken).ConfigureAwait(false);
        await _deferred.AddAsync(transaction, added, cancellationToken).ConfigureAwait(false);
        await _deferred.RemoveAsync(transaction, removed, options.PlaceKeyOf, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sets the message aside, with a word of it to whoever asked for one. Doing it twice counts a further failure of the same dead letter.</summary>
    private async Task DeadLetterAsync(DbTransaction transaction, IncomingMessage incoming, Exception error, int attempts, bool blocks, CancellationToken cancellationToken)
    {
        var command = transaction.Connection!.Command(_dialect.InsertDeadLetter, transaction)
            .With("side", "consumer")
            .With("consumer", options.Name)
            .With("source", IncomingMessage.Fit(incoming.Source, 200), DbType.String)
            .With("message_id", incoming.MessageId, DbType.Guid)
            .With("original_id", IncomingMessage.Fit(incoming.OriginalId, 1_000), DbType.String)
            .With("type", IncomingMessage.Fit(incoming.Type, 1_000), DbType.String)
            .With("partition_key", IncomingMessage.Fit(incoming.PartitionKey, 1_000), DbType.String)
            .With("headers", incoming.HeadersJson, DbType.String)
            .With("content_type", IncomingMessage.Fit(incoming.Delivery.ContentType, 1_000), DbType.String)
            .With("body", incoming.Delivery.Body.ToArray())
            .With("reason", IncomingMessage.Fit(ReasonOf(error), 2_000))
            .With("error", IncomingMessage.Fit(_deferred.Texts.Of(error), 8_000), DbType.String)
            .With("attempts", attempts)
            .With("state", blocks ? "blocking" : "dead");
        await statements.ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
        if (SagaHeaders.ReadCall(incoming.Delivery.Headers) is { } call)
            await _participant.FailedAsync(transaction, call, ReasonOf(error), cancellationToken).ConfigureAwait(false);
        await _receipts.RefusedAsync(transaction, incoming, ReasonOf(error), cancellationToken).ConfigureAwait(false);
        await _steps.ReachedAsync("dead letter written").ConfigureAwait(false);
    }
}

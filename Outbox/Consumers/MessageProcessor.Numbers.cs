using System.Data.Common;
using System.Globalization;
using Outbox.Inbox;

namespace Outbox.Consumers;

/// <summary>Messages that are told by the numbers of their keys (<see cref="ConsumerOptions.ByKeySequence"/>): the next one takes effect, a lower one has, a higher one waits.</summary>
internal sealed partial class MessageProcessor
{
    private readonly InboxKeys _keys = new(options.Name, outbox.Dialect(services), options.KeySequenceStart);

    /// <summary>Takes hold of the keys of those messages that go by a number. Before their rows: everybody takes them in this order.</summary>
    private Task<KeyNumbers> TakeNumbersAsync(DbTransaction transaction, IEnumerable<IncomingMessage> messages, CancellationToken cancellationToken) =>
        options.ByKeySequence ? _keys.TakeAsync(transaction, [.. messages.Where(m => options.NumberOf(m) is not null)], cancellationToken) : Task.FromResult(new KeyNumbers());

    /// <summary>What is to become of a message that goes by its number and is handled alone.</summary>
    /// <exception cref="RejectMessageException">The key has gone on without it.</exception>
    /// <exception cref="MissingNumberException">It has waited long enough for the one before it.</exception>
    private async Task<BatchOutcome> AdmitAsync(DbTransaction transaction, IncomingMessage incoming, KeyProgress progress, CancellationToken cancellationToken)
    {
        var number = options.NumberOf(incoming)!.Value;
        switch (progress.PlaceOf(number))
        {
            case NumberPlace.Next:
                return BatchOutcome.Applied;
            case NumberPlace.Known:
                return BatchOutcome.Known;
            case NumberPlace.Passed when incoming.Row is null:
                throw CameTooLate(number, progress);
            case NumberPlace.Passed:
                // One that was set aside before its turn, and is wanted after all, has its turn yet (G3).
                return number <= progress.Last ? BatchOutcome.Applied : BatchOutcome.Behind;
            default:
                var mayGoOn = (IsPutBack(incoming) || HasWaitedEnough(incoming)) && !await _keys.HasLowerAsync(transaction, incoming.Source, progress, number, cancellationToken).ConfigureAwait(false);
                if (mayGoOn && IsPutBack(incoming))
                {
                    progress.PassBefore(number);
                    return BatchOutcome.Applied;
                }
                if (mayGoOn)
                    throw new MissingNumberException($"{WaitsFor(progress)} since {options.GapTimeout}, and that has not come.");
                return BatchOutcome.Behind;
        }
    }

    /// <summary>Whether an operator has put it back, who thereby says that it is not to wait for what is missing before it. Its attempts begin anew, which tells it from one that has failed.</summary>
    private static bool IsPutBack(IncomingMessage incoming) => incoming.Row is { State: DeferredState.Failed, Attempts: 0 };

    private bool HasWaitedEnough(IncomingMessage incoming) => options.GapTimeout is { } timeout && incoming.Row is { State: DeferredState.Gap } row && row.Age >= timeout;

    // G6: it has not taken effect, so it must not pass for a copy.
    private static RejectMessageException CameTooLate(long number, KeyProgress progress) => new(string.Create(
        CultureInfo.InvariantCulture, $"It is number {number} of its key, and the consumer has gone on without it: it stands at {progress.Last}. A redrive applies it all the same."));

    private static string WaitsFor(KeyProgress progress) => string.Create(CultureInfo.InvariantCulture, $"waits for number {progress.Last + 1} of its key");

    /// <summary>Moves the keys on by what became of their messages, in their order.</summary>
    private void Move(KeyNumbers numbers, IEnumerable<BatchResult> results)
    {
        foreach (var result in results)
        {
            if (options.NumberOf(result.Incoming) is not { } number || !numbers.TryGet(result.Incoming, out var progress))
                continue;
            switch (result.Outcome)
            {
                case BatchOutcome.Applied:
                    progress.Apply(number);
                    break;
                case BatchOutcome.Ignored:
                    progress.Pass(number);
                    break;
                case BatchOutcome.Behind when result.Incoming.Row is not null:
                    progress.Want(number);
                    break;
                case BatchOutcome.Dead when !Blocks(result.Incoming, result.Error!):
                    if (result.Error is MissingNumberException)
                        progress.PassBefore(number);
                    progress.Pass(number);
                    break;
            }
        }
    }

    /// <summary>Writes how far keys have come by these results. True if deferred messages are due now because of it.</summary>
    private async Task<bool> SaveNumbersAsync(DbTransaction transaction, KeyNumbers numbers, IEnumerable<BatchResult> results, CancellationToken cancellationToken)
    {
        Move(numbers, results);
        return await _keys.SaveAsync(transaction, numbers, cancellationToken).ConfigureAwait(false) > 0;
    }

    /// <summary>Lets one message wait for the numbers before its own.</summary>
    private async Task<bool> WaitAsync(DbTransaction transaction, IncomingMessage incoming, KeyNumbers numbers, CancellationToken cancellationToken)
    {
        IReadOnlyList<BatchResult> results = [new BatchResult(incoming, BatchOutcome.Behind)];
        var freesOthers = await SaveNumbersAsync(transaction, numbers, results, cancellationToken).ConfigureAwait(false);
        await WaitForNumbersAsync(transaction, results, numbers, cancellationToken).ConfigureAwait(false);
        return freesOthers;
    }

    /// <summary>A message of a type that this consumer passes over: its key does not wait for it. True if deferred messages are due now because of it.</summary>
    private async Task<bool> IgnoreAsync(IncomingMessage incoming, CancellationToken cancellationToken)
    {
        if (options.NumberOf(incoming) is null)
            return false;
        var connection = await OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var transaction = await connection.BeginTransactionAsync(_dialect.ConsumerIsolation, cancellationToken).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        var numbers = await TakeNumbersAsync(transaction, [incoming], cancellationToken).ConfigureAwait(false);
        var freesOthers = await SaveNumbersAsync(transaction, numbers, [new BatchResult(incoming, BatchOutcome.Ignored)], cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return freesOthers;
    }

    /// <summary>Lets messages wait for the numbers before theirs.</summary>
    private async Task WaitForNumbersAsync(DbTransaction transaction, IReadOnlyList<BatchResult> results, KeyNumbers numbers, CancellationToken cancellationToken)
    {
        var added = new List<DeferredQueue.Entry>();
        foreach (var result in results.Where(r => r.Outcome == BatchOutcome.Behind))
        {
            var incoming = result.Incoming;
            if (options.NumberOf(incoming) is not { } number || !numbers.TryGet(incoming, out var progress))
                continue;
            var reason = WaitsFor(progress);
            // What came before it may have arrived after it in the same batch.
            TimeSpan? wait = number <= progress.Last + 1 ? TimeSpan.Zero : null;
            var isPutBack = IsPutBack(incoming) && progress.PlaceOf(number) == NumberPlace.Ahead && !progress.IsWanted(number);
            if (incoming.Row is not { } row)
                added.Add(new DeferredQueue.Entry(incoming, DeferredState.Gap, 0, null, wait ?? options.GapTimeout, reason));
            else
            {
                // One that has waited long enough waits behind another that is deferred; that may be lost to it, or pass on, without a word to the numbers after the next one.
                if (wait is null && options.GapTimeout is { } timeout)
                    wait = timeout > row.Age ? timeout - row.Age : timeout;
                // The operator's word stands until what is deferred before it has had its turn.
                await _deferred.WaitForNumberAsync(transaction, row, isPutBack ? DeferredState.Failed : DeferredState.Gap, reason, isPutBack ? options.MaxRetryDelay : wait, cancellationToken).ConfigureAwait(false);
            }
        }
        await _deferred.AddAsync(transaction, added, cancellationToken).ConfigureAwait(false);
    }
}

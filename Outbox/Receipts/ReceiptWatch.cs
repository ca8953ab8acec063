using System.Data.Common;
using System.Transactions;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Receipts;

/// <summary>Everybody of this process who waits for receipts of one outbox: one look at the database serves them all. Thread-safe.</summary>
/// <remarks>
/// Looks when receipts were committed in this process, when somebody begins to wait, and now and then, because another process of the service may have received them. Nothing is held between two looks, and nobody looks while nobody waits.
/// What is looked at is what is committed, so a process that dies while it waits loses nothing: whoever asks again gets the same answer.
/// </remarks>
internal sealed class ReceiptWatch(OutboxRegistration outbox, ReceiptStore store, TimeProvider time)
{
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly HashSet<Waiter> _waiters = [];
    private bool _isLooking;

    /// <summary>Waits until the wish is fulfilled, cannot be any more, or time runs out.</summary>
    public async Task<Receipt> WaitAsync(Guid messageId, AppliedBy wish, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var waiter = new Waiter(messageId, wish);
        Add(waiter);
        try
        {
            return await waiter.Decided.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return await LastAsync(waiter, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
                _waiters.Remove(waiter);
        }
    }

    private void Add(Waiter waiter)
    {
        lock (_lock)
        {
            _waiters.Add(waiter);
            if (_isLooking)
            {
                outbox.ReceiptSignal.Wake();
                return;
            }
            _isLooking = true;
        }
        // For all who wait, so not in the trace or the transaction of the first of them.
        using (ExecutionContext.SuppressFlow())
            _ = Task.Run(LookAsync);
    }

    /// <summary>How things stand when time has run out; as the last look has shown it, if the database does not answer now.</summary>
    private async Task<Receipt> LastAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        using var suppressed = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            return (await store.ReadAsync([(waiter.MessageId, waiter.Wish)], either.Token).ConfigureAwait(false)).Values.Single();
        }
        catch (Exception exception) when (waiter.Last is not null && !cancellationToken.IsCancellationRequested && (patience.IsCancellationRequested || IsOfDatabase(exception)))
        {
            return waiter.Last;
        }
    }

    private async Task LookAsync()
    {
        for (var idle = 1; ; idle++)
        {
            // Taken before the look, or what comes in between is missed.
            var next = outbox.ReceiptSignal.Next;
            Waiter[] waiting;
            lock (_lock)
            {
                waiting = [.. _waiters.Where(w => !w.Decided.Task.IsCompleted)];
                if (waiting.Length == 0)
                {
                    _isLooking = false;
                    return;
                }
            }
            try
            {
                if (await TellAsync(waiting).ConfigureAwait(false))
                    idle = 0;
            }
            catch (Exception exception) when (IsOfDatabase(exception))
            {
                // G8: an outage ends nobody's wait but by its time.
            }
            catch (Exception exception)
            {
                foreach (var waiter in waiting)
                    waiter.Decided.TrySetException(exception);
            }
            await next.WaitAsync(Backoff.Delay(idle, FirstLook, LongestLook), time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> TellAsync(Waiter[] waiting)
    {
        var states = await store.ReadAsync([.. waiting.Select(w => (w.MessageId, w.Wish))], CancellationToken.None).ConfigureAwait(false);
        var told = false;
        foreach (var waiter in waiting)
        {
            var state = states[(waiter.MessageId, waiter.Wish)];
            waiter.Last = state;
            if (state.Outcome is ReceiptOutcome.Fulfilled or ReceiptOutcome.Refused)
                told |= waiter.Decided.TrySetResult(state);
        }
        return told;
    }

    private static bool IsOfDatabase(Exception exception) => exception is DbException || SqlErrors.IsUnavailable(exception) || SqlErrors.IsOfDatabase(exception);

    private sealed class Waiter(Guid messageId, AppliedBy wish)
    {
        private Receipt? _last;

        public Guid MessageId => messageId;

        public AppliedBy Wish => wish;

        public Receipt? Last
        {
            get => Volatile.Read(ref _last);
            set => Volatile.Write(ref _last, value);
        }

        public TaskCompletionSource<Receipt> Decided { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

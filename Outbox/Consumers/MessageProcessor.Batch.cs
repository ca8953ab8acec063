using System.Data.Common;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Inbox;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Many messages in one transaction: one insert into the inbox, the handlers, one commit.</summary>
/// <remarks>
/// At first without any precaution, because most batches hold no copy of a known message, and succeed. After a copy the batch is rolled back and run again with an insert that tells which are new.
/// After a failure it is rolled back and run again with savepoints: what fails is undone alone and deferred by the same transaction, and the rest commits.
/// A death anywhere before the commit leaves nothing; after it all of the messages are known or deferred, and their copies change nothing.
/// </remarks>
internal sealed partial class MessageProcessor
{
    /// <summary>Failures come in swarms: after one, so many batches are run with savepoints from the start.</summary>
    private const int CarefulBatches = 20;

    /// <summary>What the share of failing messages is taken for before it is known.</summary>
    private const double FirstShare = 0.01;

    private const int LongestSection = 64;

    /// <summary>Copies come in swarms, too: after one, so many batches ask which of their messages are new.</summary>
    private const int WaryBatches = 20;

    private int _careful;
    private int _wary;
    private double _failingShare = FirstShare;

    /// <summary>Applies many messages, those of one key in their order, and tells of each what became of it. When it throws, nothing is known of any of them.</summary>
    public async Task<IReadOnlyList<BatchResult>> ApplyAsync(IReadOnlyList<IncomingMessage> batch, CancellationToken cancellationToken)
    {
        await _steps.ReachedAsync("received").ConfigureAwait(false);
        var (messages, aside) = (new List<ReadableMessage>(batch.Count), new List<BatchResult>());
        foreach (var incoming in batch)
        {
            try
            {
                if (IsIgnored(incoming))
                    aside.Add(new BatchResult(incoming, BatchOutcome.Ignored));
                else
                    messages.Add(TakeReadAhead(incoming) ?? Read(incoming));
            }
            catch (Exception exception) when (IsFinal(exception))
            {
                aside.Add(new BatchResult(incoming, BatchOutcome.Dead, exception));
            }
        }
        var isCareful = Volatile.Read(ref _careful) > 0 && Interlocked.Decrement(ref _careful) >= 0;
        var isWary = _dialect.InsertNewInbox is null || (Volatile.Read(ref _wary) > 0 && Interlocked.Decrement(ref _wary) >= 0);
        for (var quick = 0; ; quick++)
        {
            try
            {
                return await WithStrategyAsync(token => InOneTransactionAsync(messages, aside, isCareful, isWary, token), cancellationToken).ConfigureAwait(false);
            }
            catch (KnownMessageException)
            {
                // Rolled back as a whole: nothing was done yet.
                isWary = true;
                Interlocked.Exchange(ref _wary, WaryBatches);
            }
            catch (Exception exception) when (quick < QuickRetries && IsTransient(exception))
            {
                // Rolled back as a whole; the victim of a deadlock usually succeeds the next time.
            }
            catch (Exception exception) when (!isCareful && IsOfMessage(exception, cancellationToken))
            {
                isCareful = true;
                Interlocked.Exchange(ref _careful, CarefulBatches);
            }
        }
    }

    /// <summary>Reads a message before its turn: while the database works on the batch before, this costs no time.</summary>
    public void ReadAhead(IncomingMessage incoming)
    {
        try
        {
            if (!IsIgnored(incoming))
                incoming.ReadAhead = Read(incoming);
        }
        catch (Exception)
        {
            // Whoever has it applied meets the same error.
        }
    }

    private static ReadableMessage? TakeReadAhead(IncomingMessage incoming)
    {
        var message = incoming.ReadAhead;
        incoming.ReadAhead = null;
        return message;
    }

    /// <summary>Whether an error may be one message's own, and not the database's or the end of the service.</summary>
    private static bool IsOfMessage(Exception exception, CancellationToken cancellationToken) =>
        !IsTransient(exception) && !SqlErrors.IsUnavailable(exception) && !cancellationToken.IsCancellationRequested;

    /// <summary>One try at a batch. The execution strategy of a context may make another.</summary>
    private async Task<IReadOnlyList<BatchResult>> InOneTransactionAsync(List<ReadableMessage> messages, IReadOnlyList<BatchResult> aside, bool isCareful, bool isWary, CancellationToken cancellationToken)
    {
        if (messages.Count == 0 && aside.All(r => r.Outcome == BatchOutcome.Ignored && options.NumberOf(r.Incoming) is null))
            return aside;
        var run = new Run(options, isCareful);
        var scope = services.CreateAsyncScope();
        await using var disposeScope = scope.ConfigureAwait(false);
        var session = await ConsumerSession.BeginAsync(outbox, scope.ServiceProvider, worker: null, cancellationToken).ConfigureAwait(false);
        await using var disposeSession = session.ConfigureAwait(false);

        var candidates = await MayRunAsync(messages, aside, run, session, cancellationToken).ConfigureAwait(false);
        aside = [.. aside.Select(r => r.Incoming.Row is not { } row ? r : run.Held.IsUnchanged(row) ? r with { KeyGoesOn = run.KeyGoesOn(r.Incoming) } : new BatchResult(r.Incoming, BatchOutcome.NotOurs))];
        // G4: the inbox rows first, all of them. Another process that has a copy waits for this commit.
        var byId = candidates.Where(m => options.NumberOf(m.Incoming) is null).ToList();
        var unknown = await RecordAsync(session.Transaction, [.. byId.Select(m => m.MessageId)], isWary, cancellationToken).ConfigureAwait(false);
        await _steps.ReachedAsync("inbox inserted").ConfigureAwait(false);
        // The second copy of a message in one batch finds its id taken by the first. One that is deferred counts before its copies: its row is what keeps it, if it fails.
        var deferred = byId.Where(m => m.Incoming.Row is not null).Select(m => m.MessageId).ToHashSet();
        var (fresh, risky) = (new List<ReadableMessage>(candidates.Count), new List<ReadableMessage>());
        foreach (var message in candidates)
        {
            // One that goes by its number has been told already.
            if (options.NumberOf(message.Incoming) is null && ((message.Incoming.Row is null && deferred.Contains(message.MessageId)) || !unknown.Remove(message.MessageId)))
                run.Known(message.Incoming);
            else if (run.IsRisky(message.Incoming))
                risky.Add(message);
            else
                fresh.Add(message);
        }
        await HandleAllAsync(BatchGroups.Of(fresh, options.KeepOrder || options.ByKeySequence), run, scope.ServiceProvider, session, cancellationToken).ConfigureAwait(false);
        // What has failed before will rather fail again: with a savepoint for each, and after the others.
        run.IsCareful = true;
        foreach (var message in risky)
            await HandleSectionAsync([[message]], run, scope.ServiceProvider, session, cancellationToken).ConfigureAwait(false);
        await LeaveSavepointsAsync(run, session.Transaction, cancellationToken).ConfigureAwait(false);

        var results = run.ResultsOf(messages);
        var freed = await FinishAsync(session, [.. aside, .. results], [.. byId.Where(m => !run.IsApplied(m.Incoming) && !run.IsKnown(m.Incoming)).Select(m => m.MessageId)], cancellationToken).ConfigureAwait(false);
        if (options.ByKeySequence)
        {
            // Each in its place: what cannot be read has a number as well.
            var inOrder = aside.Concat(results).OrderBy(r => options.NumberOf(r.Incoming)).ToList();
            var freesOthers = await SaveNumbersAsync(session.Transaction, run.Numbers, inOrder, cancellationToken).ConfigureAwait(false);
            await WaitForNumbersAsync(session.Transaction, results, run.Numbers, cancellationToken).ConfigureAwait(false);
            freesOthers |= freed > 0;
            (aside, results) = ([.. aside.Select(r => r with { FreesOthers = freesOthers })], [.. results.Select(r => r with { FreesOthers = freesOthers })]);
        }
        // G4: from here on the effects may stand. An error now says nothing; the next delivery's inbox insert does.
        await session.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        session.Committed();
        options.Committed?.Invoke();
        if (_observer is not null)
        {
            foreach (var message in candidates.Where(m => run.IsApplied(m.Incoming)))
                _observer.Applied(options.Name, message.MessageId, message.Incoming, message.Message);
        }
        await _steps.ReachedAsync("committed").ConfigureAwait(false);
        if (isCareful)
            _failingShare = (0.8 * _failingShare) + (0.2 * fresh.Count(m => run.HasFailed(m.Incoming)) / Math.Max(1, fresh.Count));
        return [.. aside, .. results];
    }

    /// <summary>Records messages in the inbox, and tells which of them are new.</summary>
    private async Task<HashSet<Guid>> RecordAsync(DbTransaction transaction, IReadOnlyCollection<Guid> messageIds, bool isWary, CancellationToken cancellationToken)
    {
        if (isWary)
            return [.. await _inbox.TryAddAsync(transaction, options.Name, messageIds, cancellationToken).ConfigureAwait(false)];
        await _inbox.AddNewAsync(transaction, options.Name, messageIds, cancellationToken).ConfigureAwait(false);
        return [.. messageIds];
    }

    /// <summary>Leaves out deferred messages that are not ours to handle, and messages whose key waits.</summary>
    private async Task<List<ReadableMessage>> MayRunAsync(List<ReadableMessage> messages, IReadOnlyList<BatchResult> aside, Run run, ConsumerSession session, CancellationToken cancellationToken)
    {
        run.Numbers = await TakeNumbersAsync(session.Transaction, messages.Select(m => m.Incoming).Concat(aside.Select(r => r.Incoming)), cancellationToken).ConfigureAwait(false);
        run.Planned = run.Numbers.Copy();
        // Rows of unreadable ones too: they are removed below.
        var rows = messages.Select(m => m.Incoming).Concat(aside.Select(r => r.Incoming)).Select(i => i.Row).OfType<DeferredRow>().ToList();
        run.Held = await _deferred.HoldAsync(session.Transaction, [.. rows.Select(r => r.Id)], cancellationToken).ConfigureAwait(false);
        foreach (var result in aside.Where(r => r.Incoming.Row is not { } row || run.Held.IsUnchanged(row)))
            run.PassPlanned(result.Incoming);
        var keys = messages.Where(m => m.Incoming.Row is null).Select(m => options.OrderKeyOf(m.Incoming)).OfType<string>().ToHashSet(StringComparer.Ordinal);
        run.WaitingKeys = await _deferred.WaitingKeysAsync(session.Transaction, keys, cancellationToken).ConfigureAwait(false);
        var candidates = new List<ReadableMessage>(messages.Count);
        foreach (var message in messages)
        {
            if (run.MayRun(message.Incoming))
                candidates.Add(message);
        }
        return candidates;
    }

    /// <summary>Writes down what became of those that were not applied, and what deferred ones are dealt with.</summary>
    /// <returns>How many deferred messages are due now.</returns>
    private async Task<int> FinishAsync(ConsumerSession session, IReadOnlyList<BatchResult> results, IReadOnlyList<Guid> notApplied, CancellationToken cancellationToken)
    {
        await _inbox.TakeBackAsync(session.Transaction, options.Name, notApplied, cancellationToken).ConfigureAwait(false);
        await WriteAsync(session.Transaction, [.. results.Where(r => r.Outcome is BatchOutcome.Failed or BatchOutcome.Behind or BatchOutcome.Dead)], cancellationToken).ConfigureAwait(false);
        return await _deferred.RemoveAsync(session.Transaction, [.. results.Where(r => r.Outcome is BatchOutcome.Applied or BatchOutcome.Known && r.Incoming.Row is not null).Select(r => r.Incoming)], options.PlaceKeyOf, cancellationToken).ConfigureAwait(false);
    }

    private async Task HandleAllAsync(IReadOnlyList<IReadOnlyList<ReadableMessage>> groups, Run run, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        // A savepoint costs c of a small handler, and undoing a section half of its messages again: with a share p of failing ones, sections of √(2c/p) cost least.
        var length = run.IsCareful ? (int)Math.Clamp(Math.Sqrt(2 * _dialect.SavepointCost / Math.Max(_failingShare, 1e-6)), 1, LongestSection) : groups.Count;
        for (var i = 0; i < groups.Count; i += length)
            await HandleSectionAsync([.. groups.Skip(i).Take(length)], run, scope, session, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Calls handlers one after another. When one fails, all are undone, those before it are called again, it is marked, and the rest follows.</summary>
    private async Task HandleSectionAsync(IReadOnlyList<IReadOnlyList<ReadableMessage>> groups, Run run, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        while (groups.Count > 0)
        {
            // G3: not before an earlier message of the key, which waits to be tried again.
            groups = [.. groups.Select(g => (IReadOnlyList<ReadableMessage>)[.. g.Where(m => !run.IsBehind(m.Incoming))]).Where(g => g.Count > 0)];
            if (groups.Count == 0)
                return;
            if (run.IsCareful)
                await SetSavepointAsync(run, session.Transaction, cancellationToken).ConfigureAwait(false);
            var (done, promised, error) = (0, session.Promised, (Exception?)null);
            for (; done < groups.Count; done++)
            {
                using var activity = Start(groups[done]);
                error = await TryHandleAsync(groups[done], scope, session, cancellationToken).ConfigureAwait(false);
                if (error is not null)
                    break;
                session.Forget();
            }
            if (error is not null)
            {
                if (!run.IsCareful || !IsOfMessage(error, cancellationToken))
                    ExceptionDispatchInfo.Throw(error);
                await session.Transaction.RollbackAsync(run.SavepointName, cancellationToken).ConfigureAwait(false);
                run.Savepoint = _dialect.KeepsSavepoints ? SavepointState.Here : SavepointState.Earlier;
                session.TakeBack(promised);
                session.Forget();
                await HandleSectionAsync([.. groups.Take(done)], run, scope, session, cancellationToken).ConfigureAwait(false);
                Interlocked.Exchange(ref _careful, CarefulBatches);
                if (groups[done] is [var message])
                    run.Failed(SetbackOf(message.Incoming, error, run.KeyGoesOn(message.Incoming)));
                else
                {
                    // One of them fails, or a few: found by halves.
                    var (group, half) = (groups[done], groups[done].Count / 2);
                    await HandleSectionAsync([[.. group.Take(half)]], run, scope, session, cancellationToken).ConfigureAwait(false);
                    await HandleSectionAsync([[.. group.Skip(half)]], run, scope, session, cancellationToken).ConfigureAwait(false);
                }
                groups = [.. groups.Skip(done + 1)];
                continue;
            }
            if (run.Savepoint == SavepointState.Here)
                run.Savepoint = SavepointState.Earlier;
            foreach (var message in groups.SelectMany(g => g))
                run.Applied(message.Incoming);
            return;
        }
    }

    /// <summary>Sets the savepoint that a failure goes back to, by one call at most.</summary>
    private async Task SetSavepointAsync(Run run, DbTransaction transaction, CancellationToken cancellationToken)
    {
        if (run.Savepoint == SavepointState.None || (run.Savepoint == SavepointState.Earlier && _dialect.MoveSavepoint is null))
        {
            run.SavepointName = run.Savepoint == SavepointState.None && _dialect.FirstSavepoint is { } first ? first : SqlDialect.Savepoint;
            await transaction.SaveAsync(run.SavepointName, cancellationToken).ConfigureAwait(false);
        }
        else if (run.Savepoint == SavepointState.Earlier)
            await transaction.Connection!.Command(_dialect.MoveSavepoint!, transaction).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        run.Savepoint = SavepointState.Here;
    }

    /// <summary>Ends the savepoints where they are transactions within the transaction, so that what follows is written by the outer one, which also holds the deferred rows.</summary>
    private async Task LeaveSavepointsAsync(Run run, DbTransaction transaction, CancellationToken cancellationToken)
    {
        if (run.Savepoint == SavepointState.None || _dialect.FirstSavepoint is not { } first)
            return;
        await transaction.ReleaseAsync(first, cancellationToken).ConfigureAwait(false);
        run.Savepoint = SavepointState.None;
    }
}

using System.Data.Common;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Inbox;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Many messages in one transaction: one insert into the inbox, the handlers, one commit.</summary>
/// <remarks>
/// At first without any precaution, because most batches succeed. After a failure the batch is rolled back and run again with savepoints: what fails is undone alone and deferred by the same transaction, and the rest commits.
/// A death anywhere before the commit leaves nothing; after it all of the messages are known or deferred, and their copies change nothing.
/// </remarks>
internal sealed partial class MessageProcessor
{
    /// <summary>Failures come in swarms: after one, so many batches are run with savepoints from the start.</summary>
    private const int CarefulBatches = 20;

    /// <summary>What the share of failing messages is taken for before it is known.</summary>
    private const double FirstShare = 0.01;

    private const int LongestSection = 64;

    private int _careful;
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
        for (var quick = 0; ; quick++)
        {
            try
            {
                return await WithStrategyAsync(token => InOneTransactionAsync(messages, aside, isCareful, token), cancellationToken).ConfigureAwait(false);
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
    private async Task<IReadOnlyList<BatchResult>> InOneTransactionAsync(List<ReadableMessage> messages, IReadOnlyList<BatchResult> aside, bool isCareful, CancellationToken cancellationToken)
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
        var unknown = (await _inbox.TryAddAsync(session.Transaction, options.Name, [.. byId.Select(m => m.MessageId)], cancellationToken).ConfigureAwait(false)).ToHashSet();
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

    private enum SavepointState
    {
        None,
        Earlier,
        Here,
    }

    /// <summary>What became of the messages so far.</summary>
    private sealed class Run(ConsumerOptions options, bool isCareful)
    {
        private readonly Dictionary<IncomingMessage, BatchResult> _results = [];
        private readonly HashSet<string> _skippedKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _heldKeys = new(StringComparer.Ordinal);
        private readonly HashSet<long> _rows = [];
        private readonly HashSet<string> _behindKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _riskyKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _failedKeys = new(StringComparer.Ordinal);

        public bool IsCareful { get; set; } = isCareful;

        public SavepointState Savepoint { get; set; }

        /// <summary>The name of the latest one.</summary>
        public string SavepointName { get; set; } = SqlDialect.Savepoint;

        public DeferredQueue.HeldRows Held { get; set; } = new();

        public HashSet<string> WaitingKeys { get; set; } = [];

        /// <summary>Where the keys stand whose messages go by numbers.</summary>
        public KeyNumbers Numbers { get; set; } = new();

        /// <summary>Where they will stand if what is to be handled succeeds.</summary>
        public KeyNumbers Planned { get; set; } = new();

        /// <summary>A message that cannot be read: its key does not wait for it.</summary>
        public void PassPlanned(IncomingMessage incoming)
        {
            if (options.NumberOf(incoming) is { } number && Planned.TryGet(incoming, out var planned))
                planned.Pass(number);
        }

        /// <summary>Whether a message may be handled now. They are asked for in their order.</summary>
        public bool MayRun(IncomingMessage incoming)
        {
            if (options.NumberOf(incoming) is { } number && Planned.TryGet(incoming, out var planned))
                return MayRun(incoming, number, planned);
            var key = options.OrderKeyOf(incoming);
            if (incoming.Row is { } row)
            {
                // G3, G4: only who holds the row, and only the first of its key or what follows it here without a gap.
                // A row can have been read twice. The second reading of it is a copy like any other, and must not pass for known because the first has taken its id.
                var isOurs = _rows.Add(row.Id) && Held.IsUnchanged(row) && (key is null || (!_skippedKeys.Contains(key) && (Held.FirstOf(row) == row.Id || _heldKeys.Contains(key))));
                if (!isOurs)
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                if (key is null)
                    return isOurs;
                _ = isOurs ? _heldKeys.Add(key) : _skippedKeys.Add(key);
                if (isOurs && row.Attempts > 0)
                    _riskyKeys.Add(key);
                // With the last one of the key the way is free, unless one of this batch has been told to wait behind it.
                if (isOurs && !Held.IsFollowed(row) && !_behindKeys.Contains(key))
                    WaitingKeys.Remove(key);
                return isOurs;
            }
            if (key is null || !(WaitingKeys.Contains(key) || _skippedKeys.Contains(key)))
                return true;
            // Whatever follows it here has to wait with it.
            WaitingKeys.Add(key);
            _behindKeys.Add(key);
            _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Behind));
            return false;
        }

        private bool MayRun(IncomingMessage incoming, long number, KeyProgress planned)
        {
            // A row can have been read twice, as above.
            if (incoming.Row is { } row && !(_rows.Add(row.Id) && Held.IsUnchanged(row)))
            {
                _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                return false;
            }
            switch (planned.PlaceOf(number))
            {
                case NumberPlace.Known:
                    // Its fellow in this batch may fail yet. Then the row is what keeps the message, and must stay.
                    if (incoming.Row is not null && Numbers.TryGet(incoming, out var real) && real.PlaceOf(number) != NumberPlace.Known)
                        _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                    else
                        Known(incoming);
                    return false;
                case NumberPlace.Passed when incoming.Row is null:
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Dead, CameTooLate(number, planned)));
                    return false;
                case NumberPlace.Ahead when IsPutBack(incoming):
                    // It is handled alone, because what is deferred before it has to be looked for.
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                    return false;
                case NumberPlace.Passed when number > planned.Last:
                case NumberPlace.Ahead:
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Behind));
                    return false;
            }
            planned.Apply(number);
            if (incoming.Attempts > 0)
                _riskyKeys.Add(planned.Key);
            return true;
        }

        /// <summary>Whether it has failed before, or follows one of its key that has.</summary>
        public bool IsRisky(IncomingMessage incoming) => incoming.Attempts > 0 || (options.QueueKeyOf(incoming) is { } key && _riskyKeys.Contains(key));

        public bool KeyGoesOn(IncomingMessage incoming) => incoming.Row is { } row && (options.OrderKeyOf(incoming) is not null ? Held.IsFollowed(row) : options.NumberOf(incoming) is not null);

        /// <summary>Whether an earlier message of its key has failed.</summary>
        public bool IsBehind(IncomingMessage incoming) => options.QueueKeyOf(incoming) is { } key && _failedKeys.Contains(key);

        public void Applied(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Applied, KeyGoesOn: KeyGoesOn(incoming)));

        public void Known(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Known, KeyGoesOn: KeyGoesOn(incoming)));

        public void Failed(BatchResult result)
        {
            _results.Add(result.Incoming, result);
            if (options.QueueKeyOf(result.Incoming) is { } key && !(result.Outcome == BatchOutcome.Dead && IsFinal(result.Error!)))
                _failedKeys.Add(key);
        }

        public bool IsApplied(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome == BatchOutcome.Applied;

        public bool IsKnown(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome == BatchOutcome.Known;

        public bool HasFailed(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome is BatchOutcome.Failed or BatchOutcome.Dead;

        /// <summary>Of each, in their order. What has no fate yet waits behind one that failed; what was deferred before and has its place in its key stays as it is.</summary>
        public IReadOnlyList<BatchResult> ResultsOf(IEnumerable<ReadableMessage> messages) =>
            [.. messages.Select(m => _results.GetValueOrDefault(m.Incoming) ?? new BatchResult(m.Incoming, m.Incoming.Row is null || options.NumberOf(m.Incoming) is not null ? BatchOutcome.Behind : BatchOutcome.NotOurs))];
    }
}

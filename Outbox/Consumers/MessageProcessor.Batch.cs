using Microsoft.Extensions.DependencyInjection;
using Outbox.Inbox;
using Outbox.Messages;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Many messages in one transaction: one insert into the inbox, the handlers, one commit.</summary>
/// <remarks>
/// At first without any precaution, because most batches succeed. After a failure the batch is rolled back and run again with a savepoint before each call: what fails is undone alone, and the rest commits.
/// A death anywhere before the commit leaves nothing; after it all of the messages are known, and their copies change nothing.
/// </remarks>
internal sealed partial class MessageProcessor
{
    /// <summary>Failures come in swarms: after one, so many batches are run with savepoints from the start.</summary>
    private const int CarefulBatches = 20;

    private const string BeforeHandler = "before_handler";

    private int _careful;

    /// <summary>Applies many messages, those of one key in their order, and tells of each what became of it. When it throws, nothing is known of any of them.</summary>
    public async Task<IReadOnlyList<BatchResult>> ApplyAsync(IReadOnlyList<IncomingMessage> batch, CancellationToken cancellationToken)
    {
        await _steps.ReachedAsync("received").ConfigureAwait(false);
        var (messages, aside, waiting) = (new List<ReadableMessage>(batch.Count), new List<BatchResult>(), new HashSet<string>(StringComparer.Ordinal));
        foreach (var incoming in batch)
        {
            // G3: what follows a message that cannot be read waits until that is set aside.
            if (incoming.PartitionKey is { } key && waiting.Contains(key))
            {
                aside.Add(new BatchResult(incoming, BatchOutcome.Behind));
                continue;
            }
            try
            {
                messages.Add(Read(incoming));
            }
            catch (Exception exception) when (exception is RejectMessageException or UnreadableMessageException)
            {
                aside.Add(new BatchResult(incoming, BatchOutcome.Failed, exception));
                if (options.KeepOrder && incoming.PartitionKey is { } failed)
                    waiting.Add(failed);
            }
        }
        var isCareful = Volatile.Read(ref _careful) > 0 && Interlocked.Decrement(ref _careful) >= 0;
        for (var quick = 0; ; quick++)
        {
            try
            {
                var results = await WithStrategyAsync(token => InOneTransactionAsync(messages, isCareful, token), cancellationToken).ConfigureAwait(false);
                return [.. results, .. aside];
            }
            catch (Exception exception) when (quick < QuickRetries && SqlErrors.IsTransient(exception))
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

    /// <summary>Whether an error may be one message's own, and not the database's or the end of the service.</summary>
    private static bool IsOfMessage(Exception exception, CancellationToken cancellationToken) =>
        !SqlErrors.IsTransient(exception) && !SqlErrors.IsUnavailable(exception) && !cancellationToken.IsCancellationRequested;

    /// <summary>One try at a batch. The execution strategy of a context may make another.</summary>
    private async Task<IReadOnlyCollection<BatchResult>> InOneTransactionAsync(List<ReadableMessage> messages, bool isCareful, CancellationToken cancellationToken)
    {
        var run = new Run(options.KeepOrder, isCareful);
        if (messages.Count == 0)
            return run.Results;
        var scope = services.CreateAsyncScope();
        await using var disposeScope = scope.ConfigureAwait(false);
        var session = await ConsumerSession.BeginAsync(outbox, scope.ServiceProvider, cancellationToken).ConfigureAwait(false);
        await using var disposeSession = session.ConfigureAwait(false);

        // G4: the inbox rows first, all of them. Another process that has a copy waits for this commit.
        var unknown = (await DbTransactionInbox.Instance.TryAddAsync(session.Transaction, options.Name, [.. messages.Select(m => m.MessageId)], cancellationToken).ConfigureAwait(false)).ToHashSet();
        await _steps.ReachedAsync("inbox inserted").ConfigureAwait(false);
        // The second copy of a message in one batch finds its id taken by the first.
        var fresh = new List<ReadableMessage>(messages.Count);
        foreach (var message in messages)
        {
            if (unknown.Remove(message.MessageId))
                fresh.Add(message);
            else
                run.Known(message.Incoming);
        }
        foreach (var group in BatchGroups.Of(fresh, options.KeepOrder))
            await HandleAsync(group, run, scope.ServiceProvider, session, cancellationToken).ConfigureAwait(false);
        // G4: from here on the effects may stand. An error now says nothing; the next delivery's inbox insert does.
        await session.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        options.Committed?.Invoke();
        await _steps.ReachedAsync("committed").ConfigureAwait(false);
        foreach (var message in messages)
            run.Behind(message.Incoming);
        return run.Results;
    }

    private async Task HandleAsync(IReadOnlyList<ReadableMessage> group, Run run, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        if (run.IsCareful)
        {
            // G3: not before an earlier message of the key, which waits to be tried again.
            foreach (var behind in group.Where(m => run.IsBehind(m.Incoming)))
                await DbTransactionInbox.TakeBackAsync(session.Transaction, options.Name, behind.MessageId, cancellationToken).ConfigureAwait(false);
            group = [.. group.Where(m => !run.IsBehind(m.Incoming))];
            if (group.Count == 0)
                return;
            await session.Transaction.SaveAsync(BeforeHandler, cancellationToken).ConfigureAwait(false);
        }
        try
        {
            using var activity = Start(group);
            await HandleAsync(group, scope, session, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (run.IsCareful && IsOfMessage(exception, cancellationToken))
        {
            await session.Transaction.RollbackAsync(BeforeHandler, cancellationToken).ConfigureAwait(false);
            session.Forget();
            if (group is not [var message])
            {
                // One of them fails, or a few: found by halves.
                await HandleAsync([.. group.Take(group.Count / 2)], run, scope, session, cancellationToken).ConfigureAwait(false);
                await HandleAsync([.. group.Skip(group.Count / 2)], run, scope, session, cancellationToken).ConfigureAwait(false);
                return;
            }
            await DbTransactionInbox.TakeBackAsync(session.Transaction, options.Name, message.MessageId, cancellationToken).ConfigureAwait(false);
            run.Failed(message.Incoming, exception);
            Interlocked.Exchange(ref _careful, CarefulBatches);
            return;
        }
        session.Forget();
        if (run.IsCareful)
            await session.Transaction.ReleaseAsync(BeforeHandler, cancellationToken).ConfigureAwait(false);
        foreach (var message in group)
            run.Applied(message.Incoming);
    }

    /// <summary>What became of the messages so far.</summary>
    private sealed class Run(bool keepsOrder, bool isCareful)
    {
        private readonly Dictionary<IncomingMessage, BatchResult> _results = [];
        private readonly HashSet<string> _failedKeys = new(StringComparer.Ordinal);

        public bool IsCareful => isCareful;

        public IReadOnlyCollection<BatchResult> Results => _results.Values;

        public bool IsBehind(IncomingMessage incoming) => incoming.PartitionKey is { } key && _failedKeys.Contains(key);

        public void Applied(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Applied));

        public void Failed(IncomingMessage incoming, Exception error)
        {
            _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Failed, error));
            if (keepsOrder && incoming.PartitionKey is { } key)
                _failedKeys.Add(key);
        }

        public void Known(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Known));

        /// <summary>If it has no fate yet.</summary>
        public void Behind(IncomingMessage incoming) => _results.TryAdd(incoming, new BatchResult(incoming, BatchOutcome.Behind));
    }
}

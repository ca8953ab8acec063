using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Inbox;
using Outbox.Messages;
using Outbox.Receipts;
using Outbox.Sagas;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Stages 6 and 7 of a message's way: the inbox and the handler, in one transaction.</summary>
internal sealed partial class MessageProcessor(ConsumerOptions options, OutboxRegistration outbox, IReadOnlyDictionary<string, MessageHandlerInvoker> handlers, IServiceProvider services, PreparedStatements statements)
{
    /// <summary>Deadlocks and the like are tried again at once, this often, before they count as a failed attempt.</summary>
    private const int QuickRetries = 3;

    private readonly StepSignals _steps = services.GetService<StepSignals>() ?? StepSignals.None;
    private readonly IApplicationObserver? _observer = services.GetService<IApplicationObserver>();
    private readonly SqlDialect _dialect = outbox.Dialect(services);
    private readonly DbTransactionInbox _inbox = new(statements);
    private readonly DeferredQueue _deferred = new(options.Name, outbox.Dialect(services), statements);
    private readonly SagaParticipant _participant = new(options.Name, outbox, services);
    private readonly ReceiptWriter _receipts = new(outbox, options.Name, services.GetService<TimeProvider>() ?? TimeProvider.System);

    private readonly Dictionary<string, (MessageHandlerInvoker Handler, Type ReadAs)> _readable = Readable(outbox.Options.MessageTypes, handlers);

    /// <summary>The engine of the consumer's database.</summary>
    public SqlDialect Dialect => _dialect;

    /// <summary>What was deferred.</summary>
    public DeferredQueue Deferred => _deferred;

    /// <summary>The types that it reads: those of its handlers, with their aliases and the older versions that are upcast.</summary>
    public IReadOnlyCollection<string> Types => _readable.Keys;

    /// <summary>The types that a consumer with these handlers reads.</summary>
    public static IReadOnlyCollection<string> TypesOf(MessageTypeRegistry types, IReadOnlyDictionary<string, MessageHandlerInvoker> handlers) => Readable(types, handlers).Keys;

    private static Dictionary<string, (MessageHandlerInvoker Handler, Type ReadAs)> Readable(MessageTypeRegistry types, IReadOnlyDictionary<string, MessageHandlerInvoker> handlers)
    {
        var readable = handlers.ToDictionary(h => h.Key, h => (h.Value, h.Value.MessageType), StringComparer.Ordinal);
        var handled = handlers.Values.Select(h => h.MessageType).ToHashSet();
        foreach (var handler in handlers.Values)
        {
            foreach (var (name, version) in types.NamesOf(handler.MessageType, handled.Contains))
                readable.TryAdd(name, (handler, version));
        }
        return readable;
    }

    /// <summary>Applies the message in a transaction of its own, or defers it because an earlier one of its key is deferred.</summary>
    /// <param name="incoming">The message.</param>
    /// <param name="worker">The connection that the calling worker goes on with, if it does.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="RejectMessageException">The message cannot be handled, now or later.</exception>
    /// <exception cref="UnreadableMessageException">The body is not a message of its type.</exception>
    public async Task<BatchResult> ApplyAsync(IncomingMessage incoming, WorkerConnection? worker, CancellationToken cancellationToken)
    {
        await _steps.ReachedAsync("received").ConfigureAwait(false);
        if (IsIgnored(incoming))
        {
            if (worker is not null)
                await worker.GiveBackAsync().ConfigureAwait(false);
            return new BatchResult(incoming, BatchOutcome.Ignored, FreesOthers: await IgnoreAsync(incoming, cancellationToken).ConfigureAwait(false));
        }
        var message = Read(incoming);
        for (var quick = 0; ; quick++)
        {
            try
            {
                return await WithStrategyAsync(token => InOneTransactionAsync(message, worker, token), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (quick < QuickRetries && IsTransient(exception))
            {
                // Rolled back as a whole; the victim of a deadlock usually succeeds the next time.
            }
        }
    }

    /// <summary>Whether the same work may succeed at once if tried again.</summary>
    private static bool IsTransient(Exception exception) => exception is SagaConflictException || SqlErrors.IsTransient(exception) || SqlErrors.IsUnprepared(exception);

    /// <summary>Whether it is of a type that this consumer was told to pass over. A message that was deferred had a handler then, so losing it now is no answer.</summary>
    private bool IsIgnored(IncomingMessage incoming) => options.IgnoreUnknownTypes && incoming is { Row: null, Type: { } type } && !_readable.ContainsKey(type);

    /// <summary>Understands a delivery.</summary>
    /// <exception cref="RejectMessageException">It lacks what a message needs, or nobody here handles it.</exception>
    /// <exception cref="UnreadableMessageException">The body is not a message of its type.</exception>
    private ReadableMessage Read(IncomingMessage incoming)
    {
        if (incoming.MessageId is not { } messageId)
            throw new RejectMessageException("The message has no id (AMQP property message-id, or header cloudEvents:id), so a second delivery could not be told from the first.");
        if (incoming.Type is not { } type)
            throw new RejectMessageException("The message has no type (AMQP property type, or header cloudEvents:type).");
        if (!_readable.TryGetValue(type, out var readable))
            throw new RejectMessageException($"Consumer '{options.Name}' has no handler for message type '{IncomingMessage.Fit(type, MessageTypeRegistry.MaxNameLength)}'. It handles: {string.Join(", ", Types)}.");
        var serializer = readable.ReadAs.IsAssignableTo(typeof(SagaMessage)) ? SagaMessage.Json : options.Serializer ?? outbox.Options.Serializer;
        var message = serializer.Deserialize(incoming.Delivery.Body, readable.ReadAs);
        return new ReadableMessage(incoming, messageId, readable.Handler, outbox.Options.MessageTypes.UpcastTo(readable.Handler.MessageType, readable.ReadAs, message));
    }

    /// <summary>Checks that the tables are there and of this version.</summary>
    /// <exception cref="OutboxConfigurationException">They are not; the message says what to do.</exception>
    public async Task CheckSchemaAsync(ILogger logger, CancellationToken cancellationToken)
    {
        var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        SqlitePool.Check(connection, $"Consumer '{options.Name}'", logger);
        await OutboxSchema.CheckAsync(connection, $"Consumer '{options.Name}'", $"'broker schema --database {_dialect} --create'", refusesNewer: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the consumer's database answers and takes writes.</summary>
    public async Task<bool> IsDatabaseAvailableAsync(CancellationToken cancellationToken)
    {
        try
        {
            var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
            await using var rollback = transaction.ConfigureAwait(false);
            // G8: a standby, or a database switched to read-only, answers every query. What a message needs is the insert, so that is asked, and taken back.
            await DbTransactionInbox.Instance.TryAddAsync(transaction, options.Name, Guid.CreateVersion7(), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return !SqlErrors.IsUnavailable(exception);
        }
    }

    /// <summary>Forgets applied messages that are older than the retention, a few at a time.</summary>
    public async Task<long> ForgetOldAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        var (gradual, source) = (new GradualDelete(time), outbox.DataSource(services));
        var messages = await gradual.RunAsync(source, _dialect.DeleteOldInbox, options.InboxRetention, command => command.With("consumer", options.Name), cancellationToken).ConfigureAwait(false);
        return messages + await gradual.RunAsync(source, _dialect.DeleteOldCalls, options.CallRetention, command => command.With("consumer", options.Name), cancellationToken).ConfigureAwait(false);
    }

    public static string ReasonOf(Exception exception) => exception is RejectMessageException or UnreadableMessageException ? exception.Message : $"{exception.GetType().Name}: {exception.Message}";

    /// <summary>The leases in the consumer's database.</summary>
    public Locks.DatabaseLeases Leases(TimeProvider time) => new(outbox.DataSource(services), _dialect, time);

    /// <summary>A connection to the consumer's database.</summary>
    public ValueTask<DbConnection> OpenConnectionAsync(CancellationToken cancellationToken) => outbox.DataSource(services).OpenConnectionAsync(cancellationToken);

    private async Task<T> WithStrategyAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (outbox.ContextType is null)
            return await work(cancellationToken).ConfigureAwait(false);
        // A context with an execution strategy refuses transactions outside of it. Each of its tries gets a scope, and so a context, of its own.
        var outer = services.CreateAsyncScope();
        await using var _ = outer.ConfigureAwait(false);
        var strategy = ((DbContext)outer.ServiceProvider.GetRequiredService(outbox.ContextType)).Database.CreateExecutionStrategy();
        return await strategy.ExecuteAsync(work, cancellationToken).ConfigureAwait(false);
    }

    private async Task<BatchResult> InOneTransactionAsync(ReadableMessage message, WorkerConnection? worker, CancellationToken cancellationToken)
    {
        var incoming = message.Incoming;
        using var activity = Start([message]);
        var scope = services.CreateAsyncScope();
        await using var disposeScope = scope.ConfigureAwait(false);
        var session = await ConsumerSession.BeginAsync(outbox, scope.ServiceProvider, worker, cancellationToken).ConfigureAwait(false);
        await using var disposeSession = session.ConfigureAwait(false);

        var numbers = await TakeNumbersAsync(session.Transaction, [incoming], cancellationToken).ConfigureAwait(false);
        var (keyGoesOn, orderKey) = (false, options.OrderKeyOf(incoming));
        if (incoming.Row is { } row)
        {
            // G3, G4: only who holds the row, and only the first of its key. Another process may have dealt with it since it was read.
            var held = await _deferred.HoldAsync(session.Transaction, [row.Id], cancellationToken).ConfigureAwait(false);
            if (!held.IsUnchanged(row) || (orderKey is not null && held.FirstOf(row) is { } first && first != row.Id))
                return new BatchResult(incoming, BatchOutcome.NotOurs);
            keyGoesOn = orderKey is not null ? held.IsFollowed(row) : options.NumberOf(incoming) is not null;
        }
        var outcome = numbers.TryGet(incoming, out var progress)
            ? await AdmitAsync(session.Transaction, incoming, progress, cancellationToken).ConfigureAwait(false)
            : await RecordAsync(session.Transaction, message, orderKey, cancellationToken).ConfigureAwait(false);
        if (outcome == BatchOutcome.Known && incoming.Row is null)
            return new BatchResult(incoming, outcome);
        var result = new BatchResult(incoming, outcome, KeyGoesOn: keyGoesOn);
        if (outcome == BatchOutcome.Applied)
        {
            await HandleAsync([message], scope.ServiceProvider, session, cancellationToken).ConfigureAwait(false);
            result = result with { FreesOthers = await SaveNumbersAsync(session.Transaction, numbers, [result], cancellationToken).ConfigureAwait(false) };
        }
        else if (outcome == BatchOutcome.Behind)
            await DeferAsync(session.Transaction, message, numbers, cancellationToken).ConfigureAwait(false);
        if (incoming.Row is not null && outcome != BatchOutcome.Behind)
        {
            var freed = await _deferred.RemoveAsync(session.Transaction, [incoming], options.PlaceKeyOf, cancellationToken).ConfigureAwait(false);
            // What waited behind it without a number is not among those that its key has next.
            result = result with { FreesOthers = result.FreesOthers || (freed > 0 && options.NumberOf(incoming) is not null) };
        }
        // G4: from here on the effects may stand. An error now says nothing; the next delivery's inbox insert does.
        await session.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        session.Committed();
        options.Committed?.Invoke();
        if (outcome == BatchOutcome.Applied)
            _observer?.Applied(options.Name, message.MessageId, incoming, message.Message);
        await _steps.ReachedAsync("committed").ConfigureAwait(false);
        return result;
    }

    /// <summary>Records a message in the inbox, and tells what is to become of it.</summary>
    private async Task<BatchOutcome> RecordAsync(DbTransaction transaction, ReadableMessage message, string? orderKey, CancellationToken cancellationToken)
    {
        // G4: the inbox row first. Its unique key makes a second copy wait for the first one's commit, and then find that it is too late.
        var (isNew, keyWaits) = message.Incoming.Row is null && orderKey is not null
            ? await _inbox.TryAddInOrderAsync(transaction, options.Name, message.MessageId, orderKey, cancellationToken).ConfigureAwait(false)
            : (await _inbox.TryAddAsync(transaction, options.Name, message.MessageId, cancellationToken).ConfigureAwait(false), false);
        await _steps.ReachedAsync("inbox inserted").ConfigureAwait(false);
        return !isNew ? BatchOutcome.Known : keyWaits ? BatchOutcome.Behind : BatchOutcome.Applied;
    }

    /// <summary>Lets a message wait for earlier ones of its key.</summary>
    private async Task DeferAsync(DbTransaction transaction, ReadableMessage message, KeyNumbers numbers, CancellationToken cancellationToken)
    {
        if (numbers.TryGet(message.Incoming, out _))
        {
            await WaitAsync(transaction, message.Incoming, numbers, cancellationToken).ConfigureAwait(false);
            return;
        }
        // G3: not before an earlier message of its key.
        await _inbox.TakeBackAsync(transaction, options.Name, [message.MessageId], cancellationToken).ConfigureAwait(false);
        await _deferred.AddAsync(transaction, [new DeferredQueue.Entry(message.Incoming, DeferredState.Behind, 0, null, BehindLook)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stage 7: the handler, and what it changed. The messages are of one type. Gives back what the handler failed with.</summary>
    private async Task<Exception?> RunHandlerAsync(IReadOnlyList<ReadableMessage> messages, IServiceProvider scope, ConsumerSession session, CancellationToken cancellationToken)
    {
        var handled = messages.Select(m => (m.Message, Context: ContextOf(m, session))).ToList();
        var toRun = handled;
        if (handled.Exists(m => m.Context.Saga is not null))
        {
            toRun = [];
            foreach (var message in handled)
            {
                if (message.Context.Saga is not { } call || await _participant.EnterAsync(session.Transaction, call, cancellationToken).ConfigureAwait(false))
                    toRun.Add(message);
            }
            await _steps.ReachedAsync("calls entered").ConfigureAwait(false);
        }
        if (toRun.Count > 0)
        {
            var handling = messages[0].Handler.InvokeAsync(scope, toRun, new BatchContext { Consumer = options.Name, Transaction = session.Transaction }, cancellationToken);
            await handling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (handling.IsFaulted)
                return handling.Exception.InnerException;
            // One that was cancelled tells by what.
            await handling.ConfigureAwait(false);
        }
        foreach (var (_, context) in handled)
        {
            if (context.Saga is { } call)
                await _participant.AnswerAsync(session.Transaction, call, toRun.Exists(m => m.Context == context), context, cancellationToken).ConfigureAwait(false);
        }
        await _steps.ReachedAsync("handled").ConfigureAwait(false);
        await session.SaveAsync(cancellationToken).ConfigureAwait(false);
        foreach (var message in messages)
            await _receipts.AppliedAsync(session.Transaction, message.Incoming, cancellationToken).ConfigureAwait(false);
        await _steps.ReachedAsync("receipts written").ConfigureAwait(false);
        await _steps.ReachedAsync("saved").ConfigureAwait(false);
        return null;
    }

    private MessageContext ContextOf(ReadableMessage message, ConsumerSession session) => new()
    {
        MessageId = message.MessageId,
        Type = message.Incoming.Type!,
        Consumer = options.Name,
        Source = message.Incoming.Source,
        PartitionKey = message.Incoming.PartitionKey,
        Headers = message.Incoming.Delivery.Headers,
        Attempt = message.Incoming.Attempts + 1,
        Transaction = session.Transaction,
        AfterCommit = session.AfterCommit,
        Saga = SagaHeaders.ReadCall(message.Incoming.Delivery.Headers),
        Participant = _participant,
    };
}

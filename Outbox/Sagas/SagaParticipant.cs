using System.Data.Common;
using Outbox.Consumers;
using Outbox.Inbox;
using Outbox.Sql;

namespace Outbox.Sagas;

/// <summary>The participant's side: the inbox as a barrier in front of handlers of sagas' commands, and the answers behind them, in the transaction of the message.</summary>
/// <remarks>
/// The rows are keyed by the call, not by the message: a command that is sent again under another id is the same call. A compensation records its action too, so that one which arrives later finds itself done;
/// where the action was not there, or was refused, there is nothing to undo. The unique key makes two who come at the same time wait for each other; both take the action's row first.
/// </remarks>
internal sealed class SagaParticipant(string consumer, OutboxRegistration outbox, IServiceProvider services)
{
    private const string RefusedMark = "refused";
    private const int MaxReason = 2_000;

    private readonly SagaWriter _writer = new(outbox, services);

    /// <summary>Whether a call's handler is to run. Otherwise it is a copy, or there is nothing to undo, or it comes after its compensation.</summary>
    public async Task<bool> EnterAsync(DbTransaction transaction, SagaCall call, CancellationToken cancellationToken)
    {
        if (call.Operation == SagaOperation.Action)
            return await TryAddAsync(transaction, KeyOf(call), SagaHeaders.NameOf(SagaOperation.Action), cancellationToken).ConfigureAwait(false);
        var action = KeyOf(call with { Operation = SagaOperation.Action, Round = 1 });
        var isWithoutAction = await TryAddAsync(transaction, action, SagaHeaders.NameOf(SagaOperation.Action), cancellationToken).ConfigureAwait(false);
        var isNew = await TryAddAsync(transaction, KeyOf(call), SagaHeaders.NameOf(SagaOperation.Compensation), cancellationToken).ConfigureAwait(false);
        return isNew && !isWithoutAction && !await HasAsync(transaction, action, RefusedMark, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Answers a call whose handler has run, or was not to run.</summary>
    public async Task AnswerAsync(DbTransaction transaction, SagaCall call, bool hasRun, MessageContext context, CancellationToken cancellationToken)
    {
        if (hasRun && context.HasRefused)
        {
            await TryAddAsync(transaction, KeyOf(call), RefusedMark, cancellationToken).ConfigureAwait(false);
            return;
        }
        // A copy gets the answer again: it costs little, and the saga may have lost the first one. What was refused under a type of its own, too: that the saga is told so at all is what counts.
        if (!hasRun && await HasAsync(transaction, KeyOf(call), RefusedMark, cancellationToken).ConfigureAwait(false))
            await TellAsync(transaction, call, SagaMessage.Refused, "it was refused before", cancellationToken).ConfigureAwait(false);
        else if (call.WantsAnswer)
            await TellAsync(transaction, call, SagaMessage.Applied, reason: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells the saga of a refusal.</summary>
    public Task RefuseAsync(DbTransaction transaction, SagaCall call, string reason, CancellationToken cancellationToken) => TellAsync(transaction, call, SagaMessage.Refused, reason, cancellationToken);

    /// <summary>Tells the saga that its command has become a dead letter.</summary>
    public Task FailedAsync(DbTransaction transaction, SagaCall call, string reason, CancellationToken cancellationToken) => TellAsync(transaction, call, SagaMessage.Failed, reason, cancellationToken);

    /// <summary>Publishes a reply, or a refusal of a type of its own.</summary>
    public Task ReplyAsync(DbTransaction transaction, object message, SagaCall? call, CancellationToken cancellationToken) => _writer.PublishAsync(transaction, message, call?.Id, call, cancellationToken);

    private Task TellAsync(DbTransaction transaction, SagaCall call, string kind, string? reason, CancellationToken cancellationToken) => _writer.TellAsync(
        transaction, call.Saga,
        new SagaMessage { Kind = kind, Id = call.Id, Step = call.Step, Operation = SagaHeaders.NameOf(call.Operation), Round = call.Round, Reason = IncomingMessage.Fit(reason, MaxReason) },
        TimeSpan.Zero, cancellationToken);

    private async Task<bool> TryAddAsync(DbTransaction transaction, Guid key, string operation, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection!;
        return await connection.Command(SqlDialect.Of(connection).InsertInbox, transaction)
            .With("consumer", consumer).With("message_id", key).With("operation", operation)
            .ExecuteAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    private async Task<bool> HasAsync(DbTransaction transaction, Guid key, string operation, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection!;
        return await connection.Command(SqlDialect.Of(connection).FindOperation, transaction)
            .With("consumer", consumer).With("message_id", key).With("operation", operation)
            .ScalarAsync(cancellationToken).ConfigureAwait(false) is not null;
    }

    /// <summary>A name-based UUID (version 8, SHA-256) of the call, the same for every copy of it. See docs/sagas.md: other languages make the same.</summary>
    public static Guid KeyOf(SagaCall call) => MessageIds.NamedBy(string.Join('\n', call.Saga, call.Id, call.Step, SagaHeaders.NameOf(call.Operation), call.Round.ToString(System.Globalization.CultureInfo.InvariantCulture)));
}

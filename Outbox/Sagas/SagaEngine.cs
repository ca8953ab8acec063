using Microsoft.Extensions.Logging;
using Outbox.Consumers;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Sql;

namespace Outbox.Sagas;

/// <summary>Handles what a saga receives: reads it, takes its turn, and writes the turn with what it sends, in the transaction of the message.</summary>
/// <remarks>
/// A death before the commit leaves nothing, and the message comes again; after it the inbox knows the message. Two messages of one saga at the same time: the version lets one of them commit, and the other is tried again.
/// What is late, out of turn or for nobody changes nothing, and is accepted.
/// </remarks>
internal sealed class SagaEngine(SagaDefinition definition, SagaOptions options, OutboxRegistration outbox, TimeProvider time, ILogger<SagaEngine> logger)
{
    private readonly SagaMachine _machine = new(definition, options);
    private readonly SagaStore _store = new(definition);

    /// <summary>A message of a service.</summary>
    public async Task HandleAsync(IServiceProvider services, SagaMessageRole role, object message, MessageContext context, CancellationToken cancellationToken)
    {
        var id = IdOf(role, message);
        if (role.Role == SagaRole.Start)
        {
            var turn = _machine.Start(id, role.Begin!(message));
            if (await _store.WriteAsync(context.Transaction, turn, isNew: true, cancellationToken).ConfigureAwait(false))
                await SendAsync(services, context, turn, before: null, cancellationToken).ConfigureAwait(false);
            else
                Stale(context, id, "it has been started before");
            return;
        }
        // What says which call it answers is taken by its word: the saga may ask the same of two steps.
        var call = SagaHeaders.Read(context.Headers) is { } answered && answered.Saga == definition.Name && answered.Id == id ? answered : null;
        var answer = new SagaAnswer(
            definition.Steps[role.Place].Name,
            SagaOperation.Action,
            role.Role == SagaRole.Reply ? SagaOutcome.Done : SagaOutcome.Refused,
            call?.Round,
            role.Role == SagaRole.Refusal ? role.Reason?.Invoke(message) ?? context.Type : null,
            role.Apply is { } apply ? state => apply(state, message) : null);
        await MoveAsync(services, context, id, saga => _machine.Answer(saga, answer), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>An answer by itself, the saga's own clock, or an operator.</summary>
    public Task HandleAsync(IServiceProvider services, SagaMessage message, MessageContext context, CancellationToken cancellationToken)
    {
        if (!SagaHeaders.IsId(message.Id))
            throw new RejectMessageException("It names no saga.");
        return MoveAsync(services, context, message.Id, message.Kind switch
        {
            SagaMessage.Applied => saga => _machine.Answer(saga, AnswerOf(message, SagaOutcome.Done)),
            SagaMessage.Refused => saga => _machine.Answer(saga, AnswerOf(message, SagaOutcome.Refused)),
            SagaMessage.Failed => saga => _machine.Answer(saga, AnswerOf(message, SagaOutcome.Failed)),
            SagaMessage.TimeOut => saga => _machine.TimeOut(saga, message.Version),
            SagaMessage.Retry => saga => !IsMeant(message, saga) ? null : _machine.Retry(saga, message.Actor ?? "somebody", message.Reason),
            SagaMessage.GiveUp => saga => !IsMeant(message, saga) ? null : _machine.GiveUp(saga, message.Actor ?? "somebody", message.Reason ?? "no reason was given"),
            _ => throw new RejectMessageException($"'{IncomingMessage.Fit(message.Kind, 100)}' is nothing that a saga can be told."),
        }, cancellationToken);
    }

    /// <summary>Whether a saga still stands at what an operator has looked at. Who names no step means whatever it stands at.</summary>
    private static bool IsMeant(SagaMessage message, SagaInstance saga) => message.Step is null || (message.Step == saga.Step && SagaHeaders.OperationOf(message.Operation) == saga.Operation);

    private static SagaAnswer AnswerOf(SagaMessage message, SagaOutcome outcome) => new(
        message.Step ?? throw new RejectMessageException("It names no step."),
        SagaHeaders.OperationOf(message.Operation) ?? throw new RejectMessageException("Its operation is neither action nor compensation."),
        outcome,
        message.Round,
        message.Reason);

    private async Task MoveAsync(IServiceProvider services, MessageContext context, string id, Func<SagaInstance, SagaTurn?> move, CancellationToken cancellationToken)
    {
        var saga = await _store.ReadAsync(context.Transaction, id, cancellationToken).ConfigureAwait(false);
        if (saga is null)
        {
            Stale(context, id, "there is no such saga");
            return;
        }
        if (move(saga) is not { } turn)
        {
            Stale(context, id, $"the saga is {SagaStore.NameOf(saga.Status)} at step '{saga.Step ?? "none"}'");
            return;
        }
        await _store.WriteAsync(context.Transaction, turn, isNew: false, cancellationToken).ConfigureAwait(false);
        await SendAsync(services, context, turn, saga, cancellationToken).ConfigureAwait(false);
    }

    private async Task SendAsync(IServiceProvider services, MessageContext context, SagaTurn turn, SagaInstance? before, CancellationToken cancellationToken)
    {
        var (writer, transaction) = (new SagaWriter(outbox, services), context.Transaction);
        foreach (var command in turn.Commands)
            await writer.SendAsync(transaction, command, cancellationToken).ConfigureAwait(false);
        foreach (var message in turn.Events)
            await writer.PublishAsync(transaction, message, turn.Saga.Id, call: null, cancellationToken).ConfigureAwait(false);
        if (turn.Deadline is { } deadline)
            await writer.TellAsync(transaction, definition.Name, new SagaMessage { Kind = SagaMessage.TimeOut, Id = turn.Saga.Id, Step = turn.Saga.Step, Operation = SagaHeaders.NameOf(turn.Saga.Operation), Version = turn.Saga.Version }, deadline, cancellationToken).ConfigureAwait(false);
        SagaTelemetry.Tag(definition.Name, turn);
        // A turn that is rolled back, for a conflict or a lock, is taken again: it is told once, when it stands.
        context.AfterCommit(() => Moved(turn, before));
    }

    private void Moved(SagaTurn turn, SagaInstance? before)
    {
        SagaTelemetry.Moved(definition.Name, turn, before);
        if (turn.Saga.Status == SagaStatus.Parked && before?.Status != SagaStatus.Parked)
            Log.SagaParked(logger, definition.Name, turn.Saga.Id, turn.Saga.Step ?? "", SagaHeaders.NameOf(turn.Saga.Operation), turn.Saga.Trouble ?? "");
        else if (turn.Saga.HasEnded)
            Log.SagaEnded(logger, definition.Name, turn.Saga.Id, SagaStore.NameOf(turn.Saga.Status));
    }

    private void Stale(MessageContext context, string id, string why) => context.AfterCommit(() =>
    {
        OutboxMetrics.SagaStale.Add(1, new KeyValuePair<string, object?>("saga", definition.Name));
        Log.SagaPassedOver(logger, definition.Name, id, context.Type, why);
    });

    private string IdOf(SagaMessageRole role, object message)
    {
        var id = role.Correlation!(message).Value;
        return SagaHeaders.IsId(id)
            ? id!
            : throw new RejectMessageException($"{role.Message.Name} gives saga '{definition.Name}' no valid id: 1 to {PartitionKey.MaxLength} characters are needed, without a space at the end.");
    }

    /// <summary>Forgets sagas that ended long ago, and their histories.</summary>
    public async Task ForgetOldAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var (dialect, source) = (outbox.Dialect(services), outbox.DataSource(services));
        var gradual = new GradualDelete(time);
        await gradual.RunAsync(source, dialect.DeleteOldSagas, options.Retention, command => command.With("type", definition.Name), cancellationToken).ConfigureAwait(false);
        await gradual.RunAsync(source, dialect.DeleteOldSagaSteps, options.Retention, command => command.With("type", definition.Name), cancellationToken).ConfigureAwait(false);
    }
}

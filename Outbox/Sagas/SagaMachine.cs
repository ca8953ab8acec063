namespace Outbox.Sagas;

/// <summary>What becomes of a saga by each thing that can happen to it. No I/O, no clock: the same saga and the same message give the same turn. Null: the message has no turn any more, and changes nothing.</summary>
internal sealed class SagaMachine(SagaDefinition definition, SagaOptions options)
{
    public SagaTurn Start(string id, object state)
    {
        var turn = new SagaTurn(new SagaInstance(id, Version: 1, SagaStatus.Running, Step: null, SagaOperation.Action, Round: 1, Attempt: 1, Entries: 0, GivenUp: 0, state, Reason: null, Trouble: null));
        turn.Add(new SagaEntry(SagaEntry.Started));
        Forward(turn, 0);
        return turn;
    }

    public SagaTurn? Answer(SagaInstance saga, SagaAnswer answer)
    {
        if (saga.HasEnded || answer.Step != saga.Step || answer.Operation != saga.Operation)
            return null;
        var place = definition.PlaceOf(saga.Id, saga.Step);
        // What refused or failed an earlier asking says nothing of this one. What has taken effect has.
        var isOfThisRound = answer.Round is null || answer.Round == saga.Round;
        switch (answer.Outcome)
        {
            case SagaOutcome.Done:
                return Done(Next(saga), place, answer);
            case SagaOutcome.Refused when isOfThisRound:
                return Refused(Next(saga), place, answer.Reason ?? "no reason was given");
            // Parked, it has been written down already.
            case SagaOutcome.Failed when isOfThisRound && saga.Status != SagaStatus.Parked:
                return Failed(Next(saga), place, answer.Reason ?? "no reason was given");
            default:
                return null;
        }
    }

    /// <summary>Its time is over, if it still stands where it was set.</summary>
    public SagaTurn? TimeOut(SagaInstance saga, long version)
    {
        if (saga.Version != version || saga.Status is not (SagaStatus.Running or SagaStatus.Compensating))
            return null;
        var (turn, place) = (Next(saga), definition.PlaceOf(saga.Id, saga.Step));
        turn.Add(Entry(saga, SagaEntry.TimedOut));
        if (saga.Operation == SagaOperation.Compensation || !definition.CanGoBackFrom(place))
            SendAgain(turn, place, TimeSpan.Zero, "no answer in time");
        else
            // It may have taken effect, or take effect yet. So it is undone with the others, and the participant's inbox keeps the order.
            Backward(turn, place, $"step '{saga.Step}' did not answer in time");
        return turn;
    }

    /// <summary>A person wants the operation that it stands at sent again.</summary>
    public SagaTurn? Retry(SagaInstance saga, string actor, string? reason)
    {
        if (saga.HasEnded)
            return null;
        var (turn, place) = (Next(saga), definition.PlaceOf(saga.Id, saga.Step));
        turn.Add(Entry(saga, SagaEntry.Retried) with { Actor = actor, Reason = reason });
        Send(turn, place, saga.Operation, saga.Round, attempt: 1, TimeSpan.Zero);
        return turn;
    }

    /// <summary>A person has settled the operation that it is parked at in another way, or cannot. What remains to be undone is undone.</summary>
    public SagaTurn? GiveUp(SagaInstance saga, string actor, string reason)
    {
        if (saga.Status != SagaStatus.Parked)
            return null;
        var (turn, place) = (Next(saga), definition.PlaceOf(saga.Id, saga.Step));
        turn.Add(Entry(saga, SagaEntry.GivenUp) with { Actor = actor, Reason = reason });
        turn.Saga = turn.Saga with { GivenUp = saga.GivenUp + 1 };
        if (saga.Operation == SagaOperation.Compensation || definition.MayBeRefused(place))
            Backward(turn, place - 1, saga.Reason ?? reason);
        else
            End(turn, SagaStatus.Failed, SagaEntry.Ended, reason);
        return turn;
    }

    private SagaTurn Done(SagaTurn turn, int place, SagaAnswer answer)
    {
        turn.Add(Entry(turn.Saga, SagaEntry.Done));
        if (answer.Operation == SagaOperation.Compensation)
            Backward(turn, place - 1, turn.Saga.Reason ?? "");
        else
        {
            if (answer.Apply is { } apply)
                turn.Saga = turn.Saga with { State = apply(turn.Saga.State) };
            Forward(turn, place + 1);
        }
        return turn;
    }

    private SagaTurn Refused(SagaTurn turn, int place, string reason)
    {
        var saga = turn.Saga;
        turn.Add(Entry(saga, SagaEntry.Refused) with { Reason = reason });
        if (saga.Operation == SagaOperation.Action && definition.MayBeRefused(place))
            // A refused step has left nothing.
            Backward(turn, place - 1, $"step '{saga.Step}' was refused: {reason}");
        else
        {
            // The participant remembers the refusal under this round, so what is asked again needs another.
            turn.Saga = saga with { Round = saga.Round + 1 };
            if (saga.Status != SagaStatus.Parked)
                SendAgain(turn, place, options.DelayAfter(saga.Attempt), reason);
        }
        return turn;
    }

    private SagaTurn Failed(SagaTurn turn, int place, string reason)
    {
        var saga = turn.Saga;
        turn.Add(Entry(saga, SagaEntry.Failed) with { Reason = reason });
        if (saga.Operation == SagaOperation.Action && definition.CanGoBackFrom(place))
            // A dead letter can be redriven, so it is undone as well: the participant's inbox then stops it.
            Backward(turn, place, $"step '{saga.Step}' failed: {reason}");
        else
            // The participant has tried it often enough.
            Park(turn, reason);
        return turn;
    }

    private void Forward(SagaTurn turn, int place)
    {
        if (place < definition.Steps.Count)
        {
            Send(turn, place, SagaOperation.Action, round: 1, attempt: 1, TimeSpan.Zero);
            return;
        }
        End(turn, SagaStatus.Completed, SagaEntry.Completed, reason: null);
        if (definition.Completed is { } message)
            turn.Publish(message(turn.Saga.State));
    }

    /// <summary>Undoes what a step, and those before it, did.</summary>
    private void Backward(SagaTurn turn, int place, string reason)
    {
        turn.Saga = turn.Saga with { Reason = reason };
        while (place >= 0 && definition.Steps[place].Compensate is null)
            place--;
        if (place >= 0)
        {
            Send(turn, place, SagaOperation.Compensation, round: 1, attempt: 1, TimeSpan.Zero);
            return;
        }
        var isWhole = turn.Saga.GivenUp == 0;
        End(turn, isWhole ? SagaStatus.Compensated : SagaStatus.Failed, isWhole ? SagaEntry.Compensated : SagaEntry.Ended, reason);
        if (definition.Compensated is { } message)
            turn.Publish(message(turn.Saga.State, reason));
    }

    private void SendAgain(SagaTurn turn, int place, TimeSpan delay, string reason)
    {
        var saga = turn.Saga;
        if (saga.Attempt < options.MaxAttempts)
            Send(turn, place, saga.Operation, saga.Round, saga.Attempt + 1, delay);
        else
            Park(turn, reason);
    }

    private static void Park(SagaTurn turn, string reason)
    {
        var saga = turn.Saga;
        turn.Add(Entry(saga, SagaEntry.Parked) with { Reason = reason });
        turn.Saga = saga with { Status = SagaStatus.Parked, Trouble = reason };
        turn.Deadline = null;
    }

    private void Send(SagaTurn turn, int place, SagaOperation operation, int round, int attempt, TimeSpan delay)
    {
        var step = definition.Steps[place];
        turn.Saga = turn.Saga with
        {
            Status = operation == SagaOperation.Action ? SagaStatus.Running : SagaStatus.Compensating,
            Step = step.Name,
            Operation = operation,
            Round = round,
            Attempt = attempt,
            Trouble = null,
        };
        var message = operation == SagaOperation.Action ? step.Send!(turn.Saga.State) : step.Compensate!(turn.Saga.State);
        var call = new SagaCall { Saga = definition.Name, Id = turn.Saga.Id, Step = step.Name, Operation = operation, Round = round, WantsAnswer = operation == SagaOperation.Compensation || !step.HasReply };
        var command = new SagaCommand(Guid.CreateVersion7(), message, call, delay);
        turn.Send(command);
        turn.Add(Entry(turn.Saga, SagaEntry.Sent) with { MessageId = command.MessageId });
        // A step that may turn back waits for as long as its definition says; what cannot is sent again by itself.
        var patience = operation == SagaOperation.Compensation ? options.AnswerWithin : step.Within ?? (definition.CanGoBackFrom(place) ? null : options.AnswerWithin);
        turn.Deadline = patience + delay is { } deadline && deadline > SagaOptions.Longest ? SagaOptions.Longest : patience + delay;
    }

    private static void End(SagaTurn turn, SagaStatus status, string entry, string? reason)
    {
        turn.Saga = turn.Saga with { Status = status, Step = null, Reason = reason, Trouble = null };
        turn.Deadline = null;
        turn.Add(new SagaEntry(entry, Reason: reason));
    }

    private static SagaTurn Next(SagaInstance saga) => new(saga with { Version = saga.Version + 1 });

    private static SagaEntry Entry(SagaInstance saga, string what) => new(what, saga.Step, saga.Operation, saga.Attempt);
}

namespace Outbox.Sagas;

/// <summary>Finds what a saga's definition lacks, when the service starts.</summary>
internal sealed class SagaCheck(string saga, string name)
{
    public void Steps(IReadOnlyList<SagaStepPlan> steps)
    {
        if (!SagaHeaders.IsName(name))
            throw new OutboxConfigurationException($"Saga '{name}': a name is lower-case words of letters and digits, joined by hyphens or dots, at most {SagaHeaders.MaxName} characters, for example AddSaga<{saga}>(\"checkout\").");
        if (steps.Count == 0)
            throw Wrong("it has no steps. Add Step(\"…\").Send(…) in its constructor.");
        foreach (var step in steps)
        {
            if (!SagaHeaders.IsName(step.Name))
                throw Wrong($"'{step.Name}' is no name of a step: lower-case words of letters and digits, joined by hyphens or dots, for example \"payment\".");
            if (steps.Count(s => s.Name == step.Name) > 1)
                throw Wrong($"two steps are named '{step.Name}'. Give one of them another name.");
            if (step.Send is null)
                throw Wrong(step, "it sends nothing. Add .Send(state => …).");
            if (step.Within is { } time && (time <= TimeSpan.Zero || time > SagaOptions.Longest))
                throw Wrong(step, $"Within is {time}; it must be positive and not above {SagaOptions.Longest.TotalDays:0} days.");
            if (step is { LeavesNothing: true, Compensate: not null })
                throw Wrong(step, "it has both .Compensate and .NothingToCompensate. Choose one.");
        }
        if (steps.Count(s => s.IsPivot) > 1)
            throw Wrong($"the steps {string.Join(" and ", steps.Where(s => s.IsPivot).Select(s => $"'{s.Name}'"))} are pivots. There is one point of no return: leave the others out.");
        var pivot = steps.ToList().FindIndex(s => s.IsPivot);
        foreach (var (step, place) in steps.Select((s, i) => (s, i)))
        {
            if ((pivot < 0 || place < pivot) && step is { Compensate: null, LeavesNothing: false })
                throw Wrong(step, "the saga may turn back after it, and it cannot be undone. Add .Compensate(state => …), .NothingToCompensate() if it leaves nothing, or .Pivot() if there is no way back from it.");
            if (pivot >= 0 && place > pivot && step.Compensate is not null)
                throw Wrong(step, $"it comes after the pivot '{steps[pivot].Name}', so its compensation would never run. Leave .Compensate out, or move the pivot.");
        }
    }

    public void Messages(IReadOnlyList<SagaMessageRole> roles, IReadOnlyList<SagaStepPlan> steps)
    {
        if (roles.All(r => r.Role != SagaRole.Start))
            throw Wrong("nothing starts it. Add StartedBy<TMessage>(message => message.Id, message => new State(…)) in its constructor.");
        foreach (var same in roles.GroupBy(r => r.Message).Where(g => g.Count() > 1))
        {
            throw Wrong($"{same.Key.Name} means two things to it ({string.Join(", ", same.Select(r => Meaning(r, steps)))}), and it could not be told which. "
                + "Give each step messages of its own, or leave OnReply and OnRefusal out: a command that takes effect, and context.RefuseAsync(\"…\"), answer without them.");
        }
        foreach (var role in roles)
        {
            if (role.Correlation is null)
                throw Wrong(steps[role.Place], $"{role.Message.Name} is not correlated: nothing says to which saga it belongs. Write .On{role.Role}<{role.Message.Name}>(message => message.…), or Correlate<{role.Message.Name}>(message => message.…) once for all.");
        }
        foreach (var step in steps)
        {
            if (step.Answers.Any(a => a.Role == SagaRole.Refusal) && !step.HasReply)
                throw Wrong(step, "it has .OnRefusal and no .OnReply, so the command's taking effect would answer it, also when its effect is to refuse. Add .OnReply<TReply>(…), or leave .OnRefusal out and let the handler call context.RefuseAsync(\"…\").");
        }
    }

    private static string Meaning(SagaMessageRole role, IReadOnlyList<SagaStepPlan> steps) =>
        role.Role == SagaRole.Start ? "it starts one" : $"{(role.Role == SagaRole.Reply ? "reply" : "refusal")} of step '{steps[role.Place].Name}'";

    private OutboxConfigurationException Wrong(SagaStepPlan step, string what) => new($"Saga '{name}' ({saga}), step '{step.Name}': {what}");

    private OutboxConfigurationException Wrong(string what) => new($"Saga '{name}' ({saga}): {what}");
}

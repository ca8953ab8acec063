namespace Outbox.Sagas;

/// <summary>A saga as its class defines it, checked.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">The class of its state.</param>
/// <param name="Steps">Its steps, in order.</param>
/// <param name="Pivot">The place of the step after which there is no way back, if there is one.</param>
/// <param name="Messages">What the messages of services mean to it.</param>
/// <param name="Completed">What it says when all is done.</param>
/// <param name="Compensated">What it says when nothing is left, with the reason.</param>
internal sealed record SagaDefinition(
    string Name, Type State, IReadOnlyList<SagaStepPlan> Steps, int? Pivot, IReadOnlyDictionary<Type, SagaMessageRole> Messages, Func<object, object>? Completed, Func<object, string, object>? Compensated)
{
    /// <summary>Whether what a step did can be taken back, also when it is not known whether it did it.</summary>
    public bool CanGoBackFrom(int place) => Pivot is not { } pivot || place < pivot || (place == pivot && Steps[place].Compensate is not null);

    /// <summary>Whether a refusal of a step turns the saga back.</summary>
    public bool MayBeRefused(int place) => Pivot is not { } pivot || place <= pivot;

    public int PlaceOf(string saga, string? step)
    {
        for (var place = 0; place < Steps.Count; place++)
        {
            if (Steps[place].Name == step)
                return place;
        }
        throw new InvalidOperationException($"Saga '{Name}' {saga} stands at step '{step}', which its definition has no more ({string.Join(", ", Steps.Select(s => s.Name))}). Keep a step under its name until no saga stands there any more: broker sagas list.");
    }
}

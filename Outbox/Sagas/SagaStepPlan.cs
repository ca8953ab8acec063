namespace Outbox.Sagas;

/// <summary>A step, without its state's type.</summary>
internal sealed record SagaStepPlan(string Name)
{
    public Func<object, object>? Send { get; init; }

    public Type? Command { get; init; }

    public Func<object, object>? Compensate { get; init; }

    public Type? Compensation { get; init; }

    public IReadOnlyList<SagaMessageRole> Answers { get; init; } = [];

    public bool LeavesNothing { get; init; }

    public TimeSpan? Within { get; init; }

    public bool IsPivot { get; init; }

    /// <summary>Whether it waits for a reply of a type of its own.</summary>
    public bool HasReply => Answers.Any(a => a.Role == SagaRole.Reply);

    public IEnumerable<Type> Commands => new[] { Command, Compensation }.OfType<Type>();
}

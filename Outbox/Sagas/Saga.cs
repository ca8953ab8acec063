using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>A saga, defined in its constructor: how it starts, its steps in their order, and what it says at its end.</summary>
/// <typeparam name="TState">What it remembers from message to message; kept as JSON with the saga's row.</typeparam>
/// <remarks>
/// One instance serves all sagas of the class, so what it is given must depend on the state alone, and have no effects.
/// State, outgoing messages and the inbox row of what it received are committed in one transaction; a message that arrives twice, late or out of turn changes nothing.
/// </remarks>
public abstract class Saga<TState> : AnySaga
    where TState : class
{
    private readonly List<SagaStep<TState>> _steps = [];
    private readonly List<SagaMessageRole> _starts = [];
    private readonly Dictionary<Type, Func<object, PartitionKey>> _correlations = [];

    private Func<object, object>? _completed;
    private Type? _completedEvent;
    private Type? _compensatedEvent;
    private Func<object, string, object>? _compensated;

    /// <summary>Starts a saga with each message of <typeparamref name="TMessage"/>, unless there is one of that id.</summary>
    /// <param name="correlation">The saga's id, for example the order's. An id is for one saga and for ever: participants remember the calls of one that was forgotten, so another of its id would find everything done.</param>
    /// <param name="begin">The state that it begins with.</param>
    protected void StartedBy<TMessage>(Func<TMessage, PartitionKey> correlation, Func<TMessage, TState> begin)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(correlation);
        ArgumentNullException.ThrowIfNull(begin);
        _starts.Add(new SagaMessageRole(typeof(TMessage), SagaRole.Start) { Correlation = message => correlation((TMessage)message), Begin = message => begin((TMessage)message) });
    }

    /// <summary>Tells to which saga a message of <typeparamref name="TMessage"/> belongs, once for all steps.</summary>
    protected void Correlate<TMessage>(Func<TMessage, PartitionKey> correlation)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(correlation);
        if (!_correlations.TryAdd(typeof(TMessage), message => correlation((TMessage)message)))
            throw new OutboxConfigurationException($"{GetType().Name} correlates {typeof(TMessage).Name} twice. Leave one of them out.");
    }

    /// <summary>Adds the next step.</summary>
    /// <param name="name">Its name, unique in the saga: lower-case words with hyphens or dots. It is in tables and messages, so it stays when the code changes.</param>
    protected SagaStep<TState> Step(string name)
    {
        var step = new SagaStep<TState>(name);
        _steps.Add(step);
        return step;
    }

    /// <summary>Publishes an event in the transaction that completes the saga.</summary>
    protected void WhenCompleted<TEvent>(Func<TState, TEvent> message)
        where TEvent : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        (_completed, _completedEvent) = (state => message((TState)state), typeof(TEvent));
    }

    /// <summary>Publishes an event in the transaction after which nothing of the saga is left; it also gets the reason.</summary>
    protected void WhenCompensated<TEvent>(Func<TState, string, TEvent> message)
        where TEvent : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        (_compensated, _compensatedEvent) = ((state, reason) => message((TState)state, reason), typeof(TEvent));
    }

    /// <summary>The steps as they are run.</summary>
    private protected virtual IReadOnlyList<SagaStep<TState>> Steps => _steps;

    internal override SagaDefinition Define(string name, MessageTypeRegistry types)
    {
        var (check, steps) = (new SagaCheck(GetType().Name, name), Steps.Select(s => s.Plan).ToList());
        check.Steps(steps);
        var roles = new List<SagaMessageRole>(_starts);
        for (var place = 0; place < steps.Count; place++)
            roles.AddRange(steps[place].Answers.Select(a => a with { Place = place, Correlation = a.Correlation ?? _correlations.GetValueOrDefault(a.Message) }));
        check.Messages(roles, steps);
        foreach (var type in roles.Select(r => r.Message).Concat(steps.SelectMany(s => s.Commands)).Concat(new[] { _completedEvent, _compensatedEvent }.OfType<Type>()).Distinct())
            types.Add(type);
        var pivot = steps.FindIndex(s => s.IsPivot);
        return new SagaDefinition(name, typeof(TState), steps, pivot < 0 ? null : pivot, roles.ToDictionary(r => r.Message), _completed, _compensated);
    }
}

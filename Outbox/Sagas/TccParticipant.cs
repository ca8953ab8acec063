namespace Outbox.Sagas;

/// <summary>A participant of a <see cref="Tcc{TState}"/>.</summary>
/// <typeparam name="TState">What the saga remembers.</typeparam>
public sealed class TccParticipant<TState>
    where TState : class
{
    private readonly string _name;

    private Action<SagaStep<TState>>? _reserve;
    private Action<SagaStep<TState>>? _confirm;
    private Action<SagaStep<TState>>? _cancel;
    private TimeSpan? _within;

    internal TccParticipant(string name) => _name = name;

    /// <summary>The command that reserves; its handler may refuse by <c>context.RefuseAsync</c>.</summary>
    public TccParticipant<TState> Reserve<TCommand>(Func<TState, TCommand> command)
        where TCommand : notnull
    {
        _reserve = step => step.Send(command);
        return this;
    }

    /// <summary>The command that makes the reservation final. It must succeed sooner or later.</summary>
    public TccParticipant<TState> Confirm<TCommand>(Func<TState, TCommand> command)
        where TCommand : notnull
    {
        _confirm = step => step.Send(command);
        return this;
    }

    /// <summary>The command that gives the reservation up. Its handler runs only if there is one.</summary>
    public TccParticipant<TState> Cancel<TCommand>(Func<TState, TCommand> command)
        where TCommand : notnull
    {
        _cancel = step => step.Compensate(command);
        return this;
    }

    /// <summary>How long the reservation may take before all are cancelled.</summary>
    public TccParticipant<TState> Within(TimeSpan time)
    {
        _within = time;
        return this;
    }

    internal SagaStep<TState> Reservation(bool isPivot)
    {
        var step = new SagaStep<TState>($"{_name}.reserve");
        (_reserve ?? throw Missing("Reserve"))(step);
        (_cancel ?? throw Missing("Cancel"))(step);
        if (_within is { } time)
            step.Within(time);
        return isPivot ? step.Pivot() : step;
    }

    internal SagaStep<TState> Confirmation()
    {
        var step = new SagaStep<TState>($"{_name}.confirm");
        (_confirm ?? throw Missing("Confirm"))(step);
        return step;
    }

    private OutboxConfigurationException Missing(string what) => new($"Participant '{_name}' has no .{what}(state => …). Each reserves, confirms and cancels.");
}

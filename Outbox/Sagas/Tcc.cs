namespace Outbox.Sagas;

/// <summary>Try, confirm, cancel: every participant reserves, and when all have, every one confirms; if one refuses, those that have reserved cancel.</summary>
/// <typeparam name="TState">What it remembers.</typeparam>
/// <remarks>A thin form of a saga: the reservations are its steps, cancelling is their compensation, and the last reservation is the pivot. So a confirmation is repeated until it succeeds, or a person decides.</remarks>
public abstract class Tcc<TState> : Saga<TState>
    where TState : class
{
    private readonly List<TccParticipant<TState>> _participants = [];

    /// <summary>Adds a participant.</summary>
    /// <param name="name">Its name; the steps are called <c>name.reserve</c> and <c>name.confirm</c>.</param>
    protected TccParticipant<TState> Participant(string name)
    {
        var participant = new TccParticipant<TState>(name);
        _participants.Add(participant);
        return participant;
    }

    private protected override IReadOnlyList<SagaStep<TState>> Steps
    {
        get
        {
            if (base.Steps.Count > 0)
                throw new OutboxConfigurationException($"{GetType().Name} has the step '{base.Steps[0].Plan.Name}'. What tries, confirms and cancels has participants only: Participant(\"…\").Reserve(…).Confirm(…).Cancel(…).");
            return [.. _participants.Select((p, i) => p.Reservation(isPivot: i == _participants.Count - 1)), .. _participants.Select(p => p.Confirmation())];
        }
    }
}

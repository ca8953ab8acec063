using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>A saga of whatever state: steps in several services that are all done, or undone. Derive from <see cref="Saga{TState}"/> or <see cref="Tcc{TState}"/>.</summary>
public abstract class AnySaga
{
    private protected AnySaga()
    {
    }

    /// <summary>What the class says, checked.</summary>
    /// <exception cref="OutboxConfigurationException">Something is missing or contradicts itself; the message says what to write.</exception>
    internal abstract SagaDefinition Define(string name, MessageTypeRegistry types);
}

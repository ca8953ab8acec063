namespace Outbox.Sagas;

/// <summary>What one message makes of a saga: where it stands after it, what is sent, and what is written into its history. All of it is committed, or none.</summary>
internal sealed class SagaTurn(SagaInstance saga)
{
    private readonly List<SagaEntry> _entries = [];
    private readonly List<SagaCommand> _commands = [];
    private readonly List<object> _events = [];

    public SagaInstance Saga { get; set; } = saga;

    public IReadOnlyList<SagaEntry> Entries => _entries;

    public IReadOnlyList<SagaCommand> Commands => _commands;

    public IReadOnlyList<object> Events => _events;

    /// <summary>When the saga looks again, if nothing happens before.</summary>
    public TimeSpan? Deadline { get; set; }

    public void Add(SagaEntry entry) => _entries.Add(entry);

    public void Send(SagaCommand command) => _commands.Add(command);

    public void Publish(object message) => _events.Add(message);
}

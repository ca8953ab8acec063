using Microsoft.Extensions.Logging;

namespace Outbox.TwoPhaseCommit;

/// <summary>What belongs to one coordinator: its participants, where its decisions are kept, its settings. Thread-safe.</summary>
internal sealed class Coordination(string name, IReadOnlyList<Participant> participants, IDecisionStore store, TwoPhaseCommitOptions options, TimeProvider time, ILogger logger)
{
    /// <summary>For how long the distance of the two clocks, and the incarnation, are taken for what they were.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(30);

    private volatile Known? _known;

    private sealed record Known(string Origin, int Incarnation, DateTime Now, long At);

    public string Name => name;

    public IReadOnlyList<Participant> Participants => participants;

    public IDecisionStore Store => store;

    /// <summary>The database of the decisions; the first participant's where they are kept elsewhere.</summary>
    public Participant DecisionDatabase { get; init; } = participants[0];

    public TwoPhaseCommitOptions Options => options;

    public TimeProvider Time => time;

    public ILogger Logger => logger;

    /// <summary>Who decides, for people: the machine and the process.</summary>
    public string Self { get; } = $"{Environment.MachineName}/{Environment.ProcessId}";

    public Participant? Find(string participant) => participants.FirstOrDefault(p => p.Name == participant);

    /// <summary>The origin, the incarnation and the clock of the store, asked for now and then only: between, the process's own monotonic clock counts.</summary>
    public async ValueTask<(string Origin, int Incarnation, DateTime Now)> LookAsync(CancellationToken cancellationToken)
    {
        if (_known is { } known && time.GetElapsedTime(known.At) is var age && age < Freshness)
            return (known.Origin, known.Incarnation, known.Now + age);
        var asked = time.GetTimestamp();
        var (origin, incarnation, now) = await store.LookAsync(cancellationToken).ConfigureAwait(false);
        _known = new Known(origin, incarnation, now, asked);
        return (origin, incarnation, now);
    }
}

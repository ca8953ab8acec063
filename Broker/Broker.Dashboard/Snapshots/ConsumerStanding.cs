using Broker.Relay;
using Outbox.Consumers;

namespace Broker.Dashboard.Snapshots;

/// <summary>How a consumer stands, by what its live processes say of themselves. What another version of the program has written differently counts as unsaid.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="Processes">Live processes.</param>
/// <param name="Applied">Messages that they have applied since their start.</param>
/// <param name="Duplicates">Copies that changed nothing.</param>
/// <param name="Failures">Attempts of handlers that failed.</param>
/// <param name="Lag">From the writing of a message to the commit of its effects, of the slowest; null if nothing was applied lately.</param>
internal sealed record ConsumerStanding(string Consumer, int Processes, long Applied, long Duplicates, long Failures, TimeSpan? Lag)
{
    /// <summary>Of each consumer of a source.</summary>
    public static IReadOnlyList<ConsumerStanding> Of(SourceSurvey survey) =>
        [.. survey.Consumers.GroupBy(p => p.Consumer).Select(processes => processes.Select(Of).Aggregate((a, b) => new ConsumerStanding(
            a.Consumer, a.Processes + b.Processes, a.Applied + b.Applied, a.Duplicates + b.Duplicates, a.Failures + b.Failures, a.Lag is null || b.Lag > a.Lag ? b.Lag : a.Lag)))];

    /// <summary>Of one process.</summary>
    public static ConsumerStanding Of(SourceSurvey.Process process)
    {
        var said = ConsumerStatus.Read(process.Status);
        return new ConsumerStanding(process.Consumer, 1, said?.Applied ?? 0, said?.Duplicates ?? 0, said?.Failures ?? 0, said?.Lag is { } lag ? TimeSpan.FromSeconds(lag) : null);
    }
}

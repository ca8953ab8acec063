using Newtonsoft.Json;

namespace Outbox.Consumers;

/// <summary>What a process of a consumer tells people of itself: JSON in the column <c>status</c> of its row in <c>consumer_status</c>.</summary>
/// <param name="Queue">The queue that it reads.</param>
/// <param name="Applied">Messages whose effects it has committed.</param>
/// <param name="Duplicates">Deliveries that changed nothing, because their messages were applied already.</param>
/// <param name="Failures">Attempts of handlers that failed.</param>
/// <param name="DeadLetters">Messages that it has set aside.</param>
/// <param name="Lag">Seconds from the writing of a message to the commit of its effects, of one of the last; null if it has applied none lately, or if its messages do not say when they were written.</param>
/// <param name="AppliedSecondsAgo">How long ago it applied one last; null if it has applied none.</param>
internal sealed record ConsumerStatus(string Queue, long Applied, long Duplicates, long Failures, long DeadLetters, double? Lag, double? AppliedSecondsAgo)
{
    private const int Current = 1;

    public int Version { get; init; } = Current;

    public string Write() => JsonConvert.SerializeObject(this);

    /// <summary>What such a text says; null if another version of the program has written something else.</summary>
    public static ConsumerStatus? Read(string? text)
    {
        try
        {
            return text is null ? null : JsonConvert.DeserializeObject<ConsumerStatus>(text) is { Version: Current } status ? status : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

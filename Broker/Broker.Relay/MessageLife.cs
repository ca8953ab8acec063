namespace Broker.Relay;

/// <summary>The life of one message across databases.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="Steps">What happened to it, in the order of the times. Each database has its own clock, so two steps of different databases may stand the wrong way round by as much as these differ.</param>
/// <param name="Sources">What each database answered, in the order of the configuration.</param>
internal sealed record MessageLife(Guid MessageId, IReadOnlyList<MessageStep> Steps, IReadOnlyList<MessageLife.Answer> Sources)
{
    /// <summary>What a database answered.</summary>
    /// <param name="Source">The source.</param>
    /// <param name="Steps">How many steps it knows of.</param>
    /// <param name="Trouble">Why it could not be asked; null if it could.</param>
    /// <param name="IsCutShort">Whether its outbox holds more rows than were looked through: the message may wait in it unseen.</param>
    internal sealed record Answer(string Source, int Steps, string? Trouble, bool IsCutShort);

    /// <summary>Its type, if any database knows it.</summary>
    public string? Type => Steps.FirstOrDefault(s => s.Type is not null)?.Type;

    /// <summary>Its partition key, if any database knows it.</summary>
    public string? Key => Steps.FirstOrDefault(s => s.Key is not null)?.Key;
}

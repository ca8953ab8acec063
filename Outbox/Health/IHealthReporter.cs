namespace Outbox.Health;

/// <summary>A part of an outbox that can say how it stands, from what it knows already: it asks neither a database nor the broker, and does not wait.</summary>
internal interface IHealthReporter
{
    /// <summary>How it stands now.</summary>
    HealthFinding Report();
}

namespace Outbox.Sagas;

/// <summary>Something that has happened to a saga.</summary>
internal sealed record SagaEntry(string Event, string? Step = null, SagaOperation? Operation = null, int Attempt = 0, string? Reason = null, string? Actor = null, Guid? MessageId = null)
{
    public const string Started = "started";
    public const string Sent = "sent";
    public const string Done = "done";
    public const string Refused = "refused";
    public const string Failed = "failed";
    public const string TimedOut = "timed-out";
    public const string Parked = "parked";
    public const string Retried = "retried";
    public const string GivenUp = "given-up";
    public const string Completed = "completed";
    public const string Compensated = "compensated";
    public const string Ended = "failed";
}

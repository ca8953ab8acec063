namespace Outbox.Sagas;

/// <summary>A row of the table <c>saga_steps</c>: something that has happened to a saga. Never changed.</summary>
internal sealed class SagaStepRow
{
    public string Type { get; set; } = "";

    public string Id { get; set; } = "";

    public int Number { get; set; }

    public string? Step { get; set; }

    public string? Operation { get; set; }

    public string Event { get; set; } = "";

    public int Attempt { get; set; }

    public Guid? MessageId { get; set; }

    public string? Actor { get; set; }

    public string? Reason { get; set; }

    public DateTime HappenedAt { get; set; }
}

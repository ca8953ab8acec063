namespace Outbox.Sagas;

/// <summary>A row of the table <c>sagas</c>. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class SagaRow
{
    public string Type { get; set; } = "";

    public string Id { get; set; } = "";

    public long Version { get; set; }

    public string Status { get; set; } = "";

    public string? Step { get; set; }

    public string Operation { get; set; } = "";

    public int Round { get; set; }

    public int Attempt { get; set; }

    public int Entries { get; set; }

    public int GivenUp { get; set; }

    public string State { get; set; } = "";

    public string? Reason { get; set; }

    public string? Trouble { get; set; }

    public DateTime CreatedAt { get; set; }

    public DateTime UpdatedAt { get; set; }

    public DateTime? Deadline { get; set; }
}

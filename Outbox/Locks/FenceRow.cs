namespace Outbox.Locks;

/// <summary>A row of the table <c>fences</c>, mapped so that migrations create it: the highest token of a lock that this database has heard of. Its statements are in <see cref="Sql.SqlDialect"/>.</summary>
internal sealed class FenceRow
{
    public string Name { get; set; } = "";

    public long Token { get; set; }
}

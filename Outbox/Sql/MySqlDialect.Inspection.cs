namespace Outbox.Sql;

/// <summary>What an operator asks.</summary>
internal sealed partial class MySqlDialect
{
    private protected override string IsChosen(string column) => $"(@ids IS NULL OR {column} IN (SELECT chosen.id FROM JSON_TABLE(@ids, '$[*]' COLUMNS (id bigint PATH '$')) AS chosen))";

    private protected override string Holds(string column, string parameter) => $"locate(lower({parameter}), lower({column})) > 0";

    private protected override string LengthOf(string bytes) => $"length({bytes})";
}

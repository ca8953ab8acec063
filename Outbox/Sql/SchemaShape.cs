using System.Text.RegularExpressions;

namespace Outbox.Sql;

/// <summary>The tables as the script of an engine writes them: what a database is compared with.</summary>
internal sealed partial class SchemaShape
{
    private SchemaShape(IReadOnlyList<Column> columns, IReadOnlyList<(string Table, string Name)> indexes) => (Columns, Indexes) = (columns, indexes);

    public IReadOnlyList<Column> Columns { get; }

    public IReadOnlyList<(string Table, string Name)> Indexes { get; }

    /// <summary>A column of a table.</summary>
    /// <param name="Table">Its table.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Type">Its type, as the engine's own catalog calls it.</param>
    /// <param name="IsRequired">Whether it refuses nulls.</param>
    /// <param name="KeyPlace">Its place in the primary key; 0 = none.</param>
    internal sealed record Column(string Table, string Name, string Type, bool IsRequired, int KeyPlace);

    public static SchemaShape Of(SqlDialect dialect)
    {
        var columns = new List<Column>();
        var indexes = new List<(string, string)>();
        var script = dialect.CreateTables;
        foreach (Match table in TableStatement().Matches(script))
        {
            var name = table.Groups["name"].Value;
            var lines = table.Groups["body"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var key = lines.Select(l => KeyClause().Match(l)).FirstOrDefault(m => m.Success)?.Groups["columns"].Value.Split(',', StringSplitOptions.TrimEntries).Select(Bare).ToList() ?? [];
            foreach (var line in lines)
            {
                if (IndexClause().Match(line) is { Success: true } index)
                    indexes.Add((name, index.Groups["name"].Value));
                else if (ColumnClause().Match(line) is { Success: true } column && !line.StartsWith("CONSTRAINT", StringComparison.Ordinal))
                    columns.Add(ColumnOf(name, column, line, key));
            }
        }
        indexes.AddRange(IndexStatement().Matches(script).Select(m => (m.Groups["table"].Value, m.Groups["name"].Value)));
        return new SchemaShape(columns, indexes);
    }

    private static Column ColumnOf(string table, Match match, string line, List<string> key)
    {
        var name = Bare(match.Groups["name"].Value);
        var place = line.Contains("PRIMARY KEY", StringComparison.Ordinal) ? 1 : key.IndexOf(name) + 1;
        return new Column(table, name, match.Groups["type"].Value, place > 0 || line.Contains("NOT NULL", StringComparison.Ordinal), place);
    }

    private static string Bare(string name) => name.Trim('`');

    [GeneratedRegex(@"CREATE TABLE (IF NOT EXISTS )?(?<name>\w+) \((?<body>.*?)\n\s*\)( ENGINE[^;]*)?;", RegexOptions.Singleline)]
    private static partial Regex TableStatement();

    [GeneratedRegex(@"^(?<name>\S+) (?<type>[a-zA-Z]\w*( varying| with time zone)?(\([^)]*\))?( with time zone)?)")]
    private static partial Regex ColumnClause();

    [GeneratedRegex(@"^CONSTRAINT \w+ PRIMARY KEY( CLUSTERED)? \((?<columns>[^)]*)\)")]
    private static partial Regex KeyClause();

    [GeneratedRegex(@"^(UNIQUE )?KEY (?<name>\w+) \(")]
    private static partial Regex IndexClause();

    [GeneratedRegex(@"CREATE (UNIQUE )?INDEX (IF NOT EXISTS )?(?<name>\w+) ON (?<table>\w+)")]
    private static partial Regex IndexStatement();
}

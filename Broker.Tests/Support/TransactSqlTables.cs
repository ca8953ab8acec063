using System.Globalization;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace Broker.Tests.Support;

/// <summary>The tables that a script creates, written so that two scripts can be compared: what the server makes of them, not how they put it.</summary>
internal sealed class TransactSqlTables
{
    private readonly Dictionary<string, IReadOnlyList<string>> _columns = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _shape = new(StringComparer.Ordinal);

    private TransactSqlTables(TSqlScript script)
    {
        foreach (var table in TransactSql.All<CreateTableStatement>(script))
            Add(table.SchemaObjectName.BaseIdentifier.Value, table.Definition);
        foreach (var index in TransactSql.All<CreateIndexStatement>(script))
        {
            var columns = string.Join(", ", index.Columns.Select(Ordered));
            var filter = index.FilterPredicate is { } predicate ? $" WHERE {Bare(TransactSql.Text(predicate))}" : "";
            _shape.Add($"{index.OnName.BaseIdentifier.Value}: {(index.Unique ? "unique " : "")}index {index.Name.Value} ({columns}){filter}");
        }
    }

    public IReadOnlyCollection<string> Names => _columns.Keys;

    /// <summary>One line for each column, key and index.</summary>
    public IReadOnlyCollection<string> Shape => _shape;

    public static TransactSqlTables Of(string script)
    {
        var (parsed, errors) = TransactSql.Parse(script);
        Assert.That(errors, Is.Empty);
        return new TransactSqlTables(parsed);
    }

    /// <summary>The table's columns; null if the script makes no such table.</summary>
    public IReadOnlyList<string>? ColumnsOf(string table) => _columns.GetValueOrDefault(table);

    private void Add(string table, TableDefinition definition)
    {
        _columns.Add(table, [.. definition.ColumnDefinitions.Select(c => c.ColumnIdentifier.Value)]);
        foreach (var column in definition.ColumnDefinitions)
        {
            var required = column.Constraints.OfType<NullableConstraintDefinition>().Any(c => !c.Nullable);
            var text = column.DefaultConstraint?.Expression is { } value ? $" default {Bare(TransactSql.Text(value))}" : "";
            var collation = column.Collation is { } name ? $" {name.Value}" : "";
            var identity = column.IdentityOptions is { } options ? $" identity {Number(options.IdentitySeed)}, {Number(options.IdentityIncrement)}" : "";
            _shape.Add($"{table}: column {column.ColumnIdentifier.Value} {Type(column.DataType)}{collation}{(required ? " required" : "")}{identity}{text}");
        }
        foreach (var key in definition.TableConstraints.OfType<UniqueConstraintDefinition>())
        {
            // A primary key is clustered unless it says otherwise.
            var clustered = key.Clustered ?? key.IsPrimaryKey;
            _shape.Add($"{table}: {(clustered ? "clustered" : "nonclustered")} {(key.IsPrimaryKey ? "primary key" : "unique")} {key.ConstraintIdentifier.Value} ({string.Join(", ", key.Columns.Select(Ordered))})");
        }
    }

    private static string Ordered(ColumnWithSortOrder column) =>
        column.Column.MultiPartIdentifier.Identifiers[^1].Value + (column.SortOrder == SortOrder.Descending ? " desc" : "");

    private static string Type(DataTypeReference type)
    {
        var text = TransactSql.Text(type).Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant().Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);
        return text == "datetime2" ? "datetime2(7)" : text;
    }

    private static string Number(ScalarExpression? expression) => expression is null ? "1" : int.Parse(TransactSql.Text(expression), CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);

    /// <summary>The server stores an expression in parentheses and brackets of its own, whatever was written.</summary>
    private static string Bare(string expression)
    {
        var text = expression.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Trim();
        while (text.StartsWith('(') && text.EndsWith(')'))
            text = text[1..^1].Trim();
        return text.ToUpperInvariant().Replace("N'", "'", StringComparison.Ordinal);
    }
}

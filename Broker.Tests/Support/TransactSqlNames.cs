using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace Broker.Tests.Support;

/// <summary>Looks up every table, column and variable that a statement names. What is not there is a <see cref="Wrong"/>, as it would be on the server.</summary>
internal sealed class TransactSqlNames : TSqlFragmentVisitor
{
    private readonly TransactSqlTables _tables;
    private readonly Stack<List<Source>> _scopes = new();
    private readonly HashSet<string> _declared = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, IReadOnlyList<string>> _tableVariables = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<VariableReference> _procedureParameters = [];

    /// <param name="script">The statement.</param>
    /// <param name="tables">The tables that there are.</param>
    public TransactSqlNames(TSqlScript script, TransactSqlTables tables)
    {
        _tables = tables;
        foreach (var variable in TransactSql.All<DeclareVariableElement>(script))
            _declared.Add(variable.VariableName.Value);
        foreach (var variable in TransactSql.All<DeclareTableVariableBody>(script))
            _tableVariables.Add(variable.VariableName.Value, [.. variable.Definition.ColumnDefinitions.Select(c => c.ColumnIdentifier.Value)]);
        foreach (var parameter in TransactSql.All<ExecuteParameter>(script).Where(p => p.Variable is not null))
            _procedureParameters.Add(parameter.Variable);
        script.Accept(this);
    }

    /// <summary>The variables that the statement uses and does not declare: those that the caller binds. Without their @.</summary>
    public SortedSet<string> Parameters { get; } = new(StringComparer.Ordinal);

    public List<string> Wrong { get; } = [];

    /// <summary>How many columns were looked up.</summary>
    public int Columns { get; private set; }

    private sealed record Source(string Alias, IReadOnlyList<string>? Columns);

    public override void Visit(VariableReference node)
    {
        if (!_procedureParameters.Contains(node) && !_declared.Contains(node.Name) && !_tableVariables.ContainsKey(node.Name))
            Parameters.Add(node.Name.TrimStart('@'));
    }

    // Where tables are made, their own text is what everything else is held to.
    public override void ExplicitVisit(CreateTableStatement node)
    {
    }

    public override void ExplicitVisit(DeclareTableVariableStatement node)
    {
    }

    public override void ExplicitVisit(CreateIndexStatement node)
    {
        var table = Table(node.OnName);
        foreach (var column in node.Columns)
            Find(column.Column, [new Source("", table)]);
    }

    public override void ExplicitVisit(QuerySpecification node) => Within(Sources(node.FromClause), () => base.ExplicitVisit(node));

    public override void ExplicitVisit(UpdateSpecification node) =>
        Within([.. Sources(node.FromClause), .. Changed(node)], () => base.ExplicitVisit(node));

    public override void ExplicitVisit(DeleteSpecification node) =>
        Within([.. Sources(node.FromClause), .. Changed(node)], () => base.ExplicitVisit(node));

    public override void ExplicitVisit(InsertSpecification node) => Within([.. Changed(node)], () => base.ExplicitVisit(node));

    // Its columns are those of the table that it writes into.
    public override void ExplicitVisit(OutputIntoClause node)
    {
        foreach (var element in node.SelectColumns)
            element.Accept(this);
        foreach (var column in node.IntoTableColumns)
            Find(column, [Source1(node.IntoTable)]);
    }

    public override void Visit(ColumnReferenceExpression node)
    {
        if (node.ColumnType == ColumnType.Regular)
            Find(node, [.. _scopes.SelectMany(s => s)]);
    }

    private void Within(List<Source> sources, Action visit)
    {
        _scopes.Push(sources);
        visit();
        _scopes.Pop();
    }

    /// <summary>The table that a statement changes, also by the names of its old and new rows. In DELETE m FROM … AS m it is an alias.</summary>
    private IEnumerable<Source> Changed(DataModificationSpecification node)
    {
        var aliases = node is UpdateDeleteSpecificationBase { FromClause: { } from } ? Sources(from) : [];
        var target = node.Target is NamedTableReference { SchemaObject: { SchemaIdentifier: null } name } && aliases.Find(s => s.Alias == name.BaseIdentifier.Value) is { } aliased
            ? aliased
            : Source1(node.Target);
        return [target, target with { Alias = "inserted" }, target with { Alias = "deleted" }];
    }

    private List<Source> Sources(FromClause? from) => [.. (from?.TableReferences ?? []).SelectMany(Sources)];

    private IEnumerable<Source> Sources(TableReference table) =>
        table is JoinTableReference join ? Sources(join.FirstTableReference).Concat(Sources(join.SecondTableReference)) : [Source1(table)];

    private Source Source1(TableReference table) => table switch
    {
        NamedTableReference named => new Source(named.Alias?.Value ?? named.SchemaObject.BaseIdentifier.Value, Table(named.SchemaObject)),
        VariableTableReference variable => new Source(variable.Alias?.Value ?? variable.Variable.Name, _tableVariables.GetValueOrDefault(variable.Variable.Name) ?? []),
        OpenJsonTableReference json => new Source(json.Alias.Value, [.. json.SchemaDeclarationItems.Select(i => i.ColumnDefinition.ColumnIdentifier.Value)]),
        InlineDerivedTable values => new Source(values.Alias.Value, [.. values.Columns.Select(c => c.Value)]),
        QueryDerivedTable derived => new Source(derived.Alias.Value, Output(derived.QueryExpression)),
        _ => throw new NotSupportedException($"{table.GetType().Name} in a FROM. Say in TransactSqlNames which columns it has."),
    };

    private static List<string> Output(QueryExpression query) => query switch
    {
        BinaryQueryExpression binary => Output(binary.FirstQueryExpression),
        QuerySpecification select => [.. select.SelectElements.OfType<SelectScalarExpression>().Select(NameOf)],
        _ => [],
    };

    private static string NameOf(SelectScalarExpression element) =>
        element.ColumnName?.Value ?? (element.Expression as ColumnReferenceExpression)?.MultiPartIdentifier.Identifiers[^1].Value ?? "";

    /// <summary>The columns of a table; null for one of the server's own, which are not known here.</summary>
    private IReadOnlyList<string>? Table(SchemaObjectName name)
    {
        if (name.SchemaIdentifier?.Value is "sys")
            return null;
        if (_tables.ColumnsOf(name.BaseIdentifier.Value) is { } columns)
            return columns;
        Wrong.Add($"there is no table {name.BaseIdentifier.Value}");
        return [];
    }

    private void Find(ColumnReferenceExpression node, IReadOnlyList<Source> sources)
    {
        Columns++;
        var parts = node.MultiPartIdentifier.Identifiers;
        var name = parts[^1].Value;
        var candidates = parts.Count == 1 ? sources : [.. sources.Where(s => s.Alias == parts[^2].Value)];
        if (!candidates.Any(s => s.Columns is null || s.Columns.Contains(name)))
            Wrong.Add($"there is no column {string.Join(".", parts.Select(p => p.Value))}");
    }
}

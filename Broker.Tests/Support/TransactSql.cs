using System.Reflection;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Outbox.Sql;

namespace Broker.Tests.Support;

/// <summary>The statements that the product can send to a SQL Server, found by looking at the dialect itself, and the grammar of SQL Server 2022 to read them with.</summary>
internal static class TransactSql
{
    /// <summary>What the dialect says besides statements.</summary>
    private static readonly string[] NoStatements = ["Name", "Driver", "Parameter", "Partition", "Expiry", "Ended", "Heartbeat", "Time", "DeferredColumns", "LastSequence", "LetterColumns", "ChosenByFilter", "WithoutWaiting"];

    /// <summary>Every statement by its name: a property's, or that of a method that makes one. A list counts its parts.</summary>
    public static IReadOnlyList<(string Name, string Text)> Statements { get; } = [.. Collect(SqlDialect.SqlServer)];

    /// <summary>The syntax tree, and what is wrong with the text.</summary>
    public static (TSqlScript Script, IReadOnlyList<string> Errors) Parse(string text)
    {
        var fragment = new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(text), out var errors);
        return ((TSqlScript)fragment, [.. errors.Select(e => $"line {e.Line}, column {e.Column}: {e.Message}")]);
    }

    /// <summary>All nodes of one kind.</summary>
    public static IReadOnlyList<T> All<T>(TSqlFragment fragment)
        where T : TSqlFragment
    {
        var visitor = new Finder<T>();
        fragment.Accept(visitor);
        return visitor.Found;
    }

    /// <summary>A fragment as text, always written in the same way.</summary>
    public static string Text(TSqlFragment fragment)
    {
        new Sql160ScriptGenerator(new SqlScriptGeneratorOptions { KeywordCasing = KeywordCasing.Uppercase }).GenerateScript(fragment, out var text);
        return text.Trim();
    }

    private static IEnumerable<(string Name, string Text)> Collect(SqlDialect dialect)
    {
        const BindingFlags declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        foreach (var property in typeof(SqlDialect).GetProperties(declared).Where(p => !NoStatements.Contains(p.Name)).OrderBy(p => p.MetadataToken))
        {
            switch (property.GetValue(dialect))
            {
                case string text:
                    yield return (property.Name, text);
                    break;
                case IReadOnlyList<string> parts:
                    for (var i = 0; i < parts.Count; i++)
                        yield return ($"{property.Name}[{i}]", parts[i]);
                    break;
            }
        }
        foreach (var method in typeof(SqlDialect).GetMethods(declared).Where(m => !m.IsSpecialName && m.ReturnType == typeof(string) && m.IsAssembly && m.Name is not (nameof(ToString) or nameof(SqlDialect.ReadText))).OrderBy(m => m.MetadataToken))
        {
            // A new kind of argument has to be told to this class: a statement that nobody has read is one that fails on the server.
            var arguments = method.GetParameters().Select(p => p.ParameterType == typeof(IReadOnlyList<(long, long)>) ? (object)new (long, long)[] { (1, 1), (5, 9) } : p.ParameterType == typeof(int) ? 2 : throw new NotSupportedException($"SqlDialect.{method.Name} takes a {p.ParameterType.Name}. Say in TransactSql.Collect what to call it with."));
            if (method.Invoke(dialect, [.. arguments]) is string text)
                yield return ($"{method.Name}({string.Join(", ", method.GetParameters().Select(p => p.Name))})", text);
        }
    }

    private sealed class Finder<T> : TSqlFragmentVisitor
        where T : TSqlFragment
    {
        public List<T> Found { get; } = [];

        public override void Visit(TSqlFragment node)
        {
            if (node is T found)
                Found.Add(found);
        }
    }
}

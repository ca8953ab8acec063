using System.Text.RegularExpressions;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace Broker.Tests.Support;

/// <summary>Scripts for SQL Server, where there may be none: split as sqlcmd does, and parsed by Microsoft's own parser.</summary>
internal static partial class TSql
{
    public static IReadOnlyList<string> Batches(string script) => [.. Go().Split(script).Where(b => !string.IsNullOrWhiteSpace(b))];

    /// <summary>What SQL Server 2019 would say against the syntax of a script; nothing if it is in order.</summary>
    public static IEnumerable<string> ErrorsOf(string script) => Batches(script).SelectMany(batch =>
    {
        using var reader = new StringReader(batch);
        new TSql150Parser(initialQuotedIdentifiers: true).Parse(reader, out var errors);
        return errors.Select(e => $"{e.Line}:{e.Column} {e.Message}");
    });

    [GeneratedRegex(@"^\s*GO\s*$", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex Go();
}

using Broker.Tests.Support;

namespace Broker.Tests.Docs;

/// <summary>Scripts that no server here may run are at least what their engine would parse.</summary>
internal sealed class PolyglotScriptTests
{
    private static IEnumerable<string> ScriptsForSqlServer =>
        Directory.EnumerateFiles(Path.Combine(Approved.Root, "Samples", "Polyglot"), "*.sql", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Approved.Root, f)).Where(f => f.Contains("sqlserver", StringComparison.Ordinal)).Order();

    [TestCaseSource(nameof(ScriptsForSqlServer))]
    public void Scripts_for_SQL_Server_are_valid(string script) => Assert.That(TSql.ErrorsOf(File.ReadAllText(Path.Combine(Approved.Root, script))), Is.Empty);

    [Test]
    public void The_parser_finds_mistakes() => Assert.That(TSql.ErrorsOf("SELECT 1;\nGO\nCREATE TRIGGER t ON;"), Is.Not.Empty);
}

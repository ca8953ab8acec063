using System.Text.RegularExpressions;
using Broker.Tests.Support;

namespace Broker.Tests.Architecture;

/// <summary>Rules of the house that a compiler does not know. They hold for every source file of the repository.</summary>
internal sealed partial class SourceTests
{
    private static readonly string[] Projects = ["Outbox", "Broker", "Broker.Tests", "Samples"];

    private static readonly IReadOnlyList<(string Path, string Text)> Files =
    [
        .. Projects.Select(p => Path.Combine(Approved.Root, p)).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
            .Select(path => (Path.GetRelativePath(Approved.Root, path).Replace('\\', '/'), File.ReadAllText(path))),
    ];

    [Test]
    public void The_sources_are_found() => Assert.That(Files.Select(f => f.Path), Has.Member("Outbox/IOutbox.cs").And.Member("Broker/Program.cs"));

    [Test]
    public void No_file_is_longer_than_400_lines() =>
        Assert.That(Files.Where(f => f.Text.AsSpan().Count('\n') > 400).Select(f => f.Path), Is.Empty, "split them along a name of the domain");

    [Test]
    public void SQL_is_written_only_in_Outbox_Sql()
    {
        var found = Files
            .Where(f => (f.Path.StartsWith("Outbox/", StringComparison.Ordinal) && !f.Path.StartsWith("Outbox/Sql/", StringComparison.Ordinal)) || f.Path.StartsWith("Broker/", StringComparison.Ordinal))
            .SelectMany(f => StringLiteral().Matches(f.Text).Where(m => Sql().IsMatch(m.Value)).Select(m => $"{f.Path}: {m.Value}"));

        Assert.That(found, Is.Empty, "move these statements to Outbox/Sql/SqlDialect.cs and its engines");
    }

    [TestCase("\"SELECT 1\"", true)]
    [TestCase("\"delete from outbox_messages where sequence = 1\"", true)]
    [TestCase("\"\"\"\n  UPDATE leases SET owner = ''\n\"\"\"", true)]
    [TestCase("$\"INSERT INTO {table} VALUES (1)\"", true)]
    [TestCase("\"CREATE TABLE t (a int)\"", true)]
    [TestCase("\"Create it with 'broker schema --create', or update the tables.\"", false)]
    [TestCase("\"cannot delete old rows\"", false)]
    [TestCase("// SELECT 1", false)]
    public void The_search_for_SQL_finds_statements_and_nothing_else(string code, bool isSql) =>
        Assert.That(StringLiteral().Matches(code).Any(m => Sql().IsMatch(m.Value)), Is.EqualTo(isSql));

    [Test]
    public void Namespaces_follow_the_folders()
    {
        var wrong = Files
            .Where(f => !f.Path.StartsWith("Samples/", StringComparison.Ordinal))
            .Select(f => (f.Path, Found: Namespace().Match(f.Text).Groups[1].Value, Expected: NamespaceOf(f.Path)))
            // A file of top-level statements has no namespace.
            .Where(f => f.Found != f.Expected && !(f.Found.Length == 0 && f.Path.EndsWith("/Program.cs", StringComparison.Ordinal)))
            .Select(f => $"{f.Path}: {f.Found} instead of {f.Expected}");

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void A_file_of_the_product_holds_one_public_type_named_like_it()
    {
        var wrong = Files
            .Where(f => f.Path.StartsWith("Outbox/", StringComparison.Ordinal) || f.Path.StartsWith("Broker/", StringComparison.Ordinal))
            .Select(f => (f.Path, Types: PublicType().Matches(f.Text).Select(m => m.Groups[1].Value).ToList()))
            .Where(f => f.Types.Count > 1 || (f.Types is [var only] && only != Path.GetFileNameWithoutExtension(f.Path)))
            .Select(f => $"{f.Path}: {string.Join(", ", f.Types)}");

        Assert.That(wrong, Is.Empty);
    }

    [TestCase("Utils")]
    [TestCase("Helper")]
    [TestCase("Helpers")]
    [TestCase("Common")]
    [TestCase("Manager")]
    public void Nothing_is_named_after_nothing(string name) =>
        Assert.That(Files.Select(f => f.Path).Where(p => Path.GetFileNameWithoutExtension(p).EndsWith(name, StringComparison.Ordinal) || p.Contains($"/{name}/", StringComparison.Ordinal)), Is.Empty);

    [Test]
    public void No_file_has_a_region_or_a_licence_header() =>
        Assert.That(Files.Where(f => Region().IsMatch(f.Text) || f.Text.TrimStart('\uFEFF').StartsWith("/*", StringComparison.Ordinal)).Select(f => f.Path), Is.Empty);

    /// <summary>A dotted folder is a project and begins a namespace of its own: Outbox/Outbox.RabbitMQ/X is Outbox.RabbitMQ.X.</summary>
    private static string NamespaceOf(string path)
    {
        var folders = path.Split('/')[..^1];
        var project = Array.FindLastIndex(folders, f => f.Contains('.', StringComparison.Ordinal) || f == folders[0]);
        return string.Join('.', folders[project..]);
    }

    [GeneratedRegex(""""("""[\s\S]*?""")|("(?:[^"\\\n]|\\.)*")"""")]
    private static partial Regex StringLiteral();

    [GeneratedRegex("""^"+\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(UNIQUE\s+)?(TABLE|INDEX)\s|ALTER\s+TABLE\s|DROP\s+TABLE\s|PRAGMA\s|WITH\s+\w+\s+AS\s*\()""", RegexOptions.IgnoreCase)]
    private static partial Regex Sql();

    [GeneratedRegex("^namespace ([A-Za-z0-9_.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"^public (?:(?:static|sealed|abstract|partial|readonly|ref) )*(?:class|interface|struct|record struct|record|enum|delegate) (\w+)", RegexOptions.Multiline)]
    private static partial Regex PublicType();

    [GeneratedRegex(@"^\s*#region", RegexOptions.Multiline)]
    private static partial Regex Region();
}

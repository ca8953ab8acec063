using System.Text.RegularExpressions;

namespace Broker.Tests.Docs;

/// <summary>What the documents say is what the code does.</summary>
internal sealed partial class DocumentationTests
{
    private static readonly string Root = FindRoot();

    private static IEnumerable<string> Documents => Directory.EnumerateFiles(Root, "*.md")
        .Concat(((string[])["docs", "Samples"]).SelectMany(f => Directory.EnumerateFiles(Path.Combine(Root, f), "*.md", SearchOption.AllDirectories))).Select(d => Path.GetRelativePath(Root, d));

    [TestCaseSource(nameof(Documents))]
    public void Every_piece_of_CSharp_in_a_document_is_compiled_somewhere(string document)
    {
        var compiled = string.Join('\n', ((string[])["Broker.Tests/Docs", "Samples"]).SelectMany(f => Directory.EnumerateFiles(Path.Combine(Root, f), "*.cs", SearchOption.AllDirectories)).Select(f => Normal(File.ReadAllText(f))));
        foreach (Match block in CSharpBlock().Matches(File.ReadAllText(Path.Combine(Root, document))))
        {
            foreach (var part in block.Groups[1].Value.Split("\n\n"))
                Assert.That(compiled, Does.Contain(Normal(part)), "Take the code from Broker.Tests/Docs/ReadmeExamples.cs or a sample, or put it there.");
        }
    }

    [TestCaseSource(nameof(Documents))]
    public void Every_link_to_a_file_leads_to_one(string document)
    {
        foreach (Match link in Link().Matches(File.ReadAllText(Path.Combine(Root, document))))
        {
            var target = Path.GetFullPath(Path.Combine(Root, Path.GetDirectoryName(document)!, link.Groups[1].Value));
            Assert.That(File.Exists(target) || Directory.Exists(target), Is.True, $"{document} links to {link.Groups[1].Value}");
        }
    }

    [TestCaseSource(nameof(Documents))]
    public void Every_piece_of_SQL_in_a_document_is_in_a_script_that_the_tests_run(string document)
    {
        var scripts = string.Join('\n', Directory.EnumerateFiles(Path.Combine(Root, "Samples", "Polyglot"), "*.sql", SearchOption.AllDirectories).Select(f => Normal(File.ReadAllText(f))));
        foreach (Match block in SqlBlock().Matches(File.ReadAllText(Path.Combine(Root, document))))
            Assert.That(scripts, Does.Contain(Normal(block.Groups[1].Value)), "Take the SQL from Samples/Polyglot.");
    }

    private static string Normal(string code) => string.Join('\n', code.Split('\n').Select(l => Spaces().Replace(l.Trim(), " ")).Where(l => l.Length > 0));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Broker.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("Broker.sln is in no folder above the tests.");
        return folder.FullName;
    }

    [GeneratedRegex("```csharp\\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex("\\]\\((?!https?:|#)([^)#]+)")]
    private static partial Regex Link();

    [GeneratedRegex("```sql\\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex SqlBlock();

    [GeneratedRegex(" +")]
    private static partial Regex Spaces();
}

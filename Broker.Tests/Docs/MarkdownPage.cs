using System.Text.RegularExpressions;
using Broker.Tests.Support;

namespace Broker.Tests.Docs;

/// <summary>A document of the repository, to be held against what it describes.</summary>
internal sealed partial class MarkdownPage(string path)
{
    public string Text { get; } = File.ReadAllText(Path.Combine(Approved.Root, path));

    /// <summary>The only table whose header begins with these columns, below a heading if one is named. Each row by its columns' names.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, string>> Table(string? heading, params string[] columns)
    {
        var text = heading is null ? Text : Heading().Split(Text).Single(s => s.StartsWith(heading + '\n', StringComparison.Ordinal));
        var lines = text.Split('\n');
        var start = Enumerable.Range(0, lines.Length).Single(i => lines[i].StartsWith($"| {string.Join(" | ", columns)} |", StringComparison.Ordinal) && lines[i + 1].StartsWith("|---", StringComparison.Ordinal));
        var names = Cells(lines[start]);
        return [.. lines.Skip(start + 2).TakeWhile(l => l.StartsWith('|')).Select(l => names.Zip(Cells(l)).ToDictionary(c => c.First, c => c.Second))];
    }

    /// <summary>The blocks of code in a language.</summary>
    public IEnumerable<string> Blocks(string language) => Block().Matches(Text).Where(m => m.Groups[1].Value == language).Select(m => m.Groups[2].Value);

    /// <summary>What is between backticks; empty if nothing is.</summary>
    public static string Code(string cell) => Quoted().Match(cell).Groups[1].Value;

    private static string[] Cells(string line) => [.. line.Trim().Trim('|').Split('|').Select(c => c.Trim())];

    [GeneratedRegex("^## ", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("^```(\\w+)\\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("^`([^`]*)`")]
    private static partial Regex Quoted();
}

using System.Text.RegularExpressions;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Docs;

/// <summary>docs/table-contract.md and the DDL in code cannot drift apart: every column, type, default, key and index stands in both.</summary>
[TestFixtureSource(typeof(SqlDialect), nameof(SqlDialect.All))]
internal sealed partial class TableContractTests(SqlDialect engine)
{
    private static readonly MarkdownPage Page = new("docs/table-contract.md");

    private string Engine => engine.Name switch
    {
        "SqlServer" => "SQL Server",
        "PostgreSql" => "PostgreSQL",
        "MySql" => "MySQL, MariaDB",
        "Sqlite" => "SQLite",
        _ => throw new NotSupportedException($"{engine} has no column in docs/table-contract.md."),
    };

    [Test]
    public void Every_column_of_every_table_is_documented_with_its_type_and_whether_it_is_required()
    {
        var documented = Tables().SelectMany(table => Page.Table(table, "Column").Select(row =>
            $"{table}.{MarkdownPage.Code(row["Column"])} {MarkdownPage.Code(row[Engine])}{(row["Required"] switch { "yes" => " required", "no" => "", var other => $" {other}" })}"));

        Assert.That(documented, Is.EqualTo(SchemaShape.Of(engine).Columns.Select(c => $"{c.Table}.{c.Name} {c.Type}{(c.IsRequired ? " required" : "")}")));
    }

    [Test]
    public void Every_default_is_documented_as_the_script_writes_it()
    {
        var words = Page.Table(null, "Default", "SQL Server").ToDictionary(r => r["Default"], r => MarkdownPage.Code(r[Engine]));
        var documented = Tables().SelectMany(table => Page.Table(table, "Column").Where(r => r["Default"].Length > 0).Select(row =>
            $"{table}.{MarkdownPage.Code(row["Column"])} {words.GetValueOrDefault(row["Default"], MarkdownPage.Code(row["Default"]))}"));

        Assert.That(documented, Is.EqualTo(Statements().SelectMany(s => s.Lines.Select(l => DefaultOf(s.Table, l))).Where(d => d.Length > 0)));
        Assert.That(words.Keys, Is.EqualTo(new[] { "numbered", "now" }));
    }

    [Test]
    public void Every_key_and_index_is_documented_with_its_columns()
    {
        var documented = Page.Table("Keys and indexes", "Table", "Name").Where(r => r[Engine].Length > 0)
            .Select(r => $"{MarkdownPage.Code(r["Table"])} {MarkdownPage.Code(r["Name"])} ({MarkdownPage.Code(r[Engine])})");
        var keys = Statements().SelectMany(s => s.Lines.Select(l => KeyOf(s.Table, l)).Where(k => k.Length > 0));
        var indexes = Index().Matches(engine.CreateTables).Select(m => $"{m.Groups["table"].Value} {m.Groups["name"].Value} ({m.Groups["columns"].Value})");

        Assert.That(documented, Is.EquivalentTo(keys.Concat(indexes)));
    }

    [Test]
    public void The_version_is_that_of_the_code() => Assert.That(Version().Match(Page.Text).Groups[1].Value, Is.EqualTo($"{SchemaVersion.Current}"));

    [Test]
    public async Task A_time_written_as_documented_is_five_minutes_ahead_for_the_relay()
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        var expression = MarkdownPage.Code(Page.Table("Times", "Engine").Single(r => r["Engine"] == Engine)["Expression"]);
        await database.ExecuteAsync($"INSERT INTO outbox_messages (message_id, type, body, not_before, expires_at) VALUES (@id, 'tests.due.v1', @body, {expression}, {expression})", ("id", Guid.CreateVersion7()), ("body", Array.Empty<byte>()));

        var row = (await database.QueryAsync(engine.ReadMessages, ("partition", (short)0), ("after", 0L), ("limit", 1))).Single();

        Assert.That(double.Parse(row[9]!, System.Globalization.CultureInfo.InvariantCulture), Is.InRange(280, 300.01));
        Assert.That(row[10], Is.AnyOf("0", "False"), "it has expired");
    }

    /// <summary>The tables that the page documents: the headings that have a table of columns.</summary>
    private static IEnumerable<string> Tables() => TableHeading().Matches(Page.Text).Select(m => m.Groups[1].Value);

    private IEnumerable<(string Table, string[] Lines)> Statements() => Statement().Matches(engine.CreateTables)
        .Select(m => (m.Groups["table"].Value, m.Groups["body"].Value.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)));

    private static string DefaultOf(string table, string line)
    {
        var name = line.Split(' ')[0].Trim('`');
        if (Numbered().Match(line) is { Success: true } numbered)
            return $"{table}.{name} {numbered.Value}";
        return Default().Match(line) is { Success: true } value ? $"{table}.{name} {value.Groups["value"].Value}" : "";
    }

    private static string KeyOf(string table, string line)
    {
        if (Key().Match(line) is { Success: true } key)
            return $"{table} {key.Groups["name"].Value} ({key.Groups["columns"].Value.Replace("`", "", StringComparison.Ordinal)})";
        return InlineKey().Match(line) is { Success: true } inline ? $"{table} {inline.Groups["name"].Value} ({line.Split(' ')[0]})" : "";
    }

    [GeneratedRegex(@"^## (\w+)\n(?:[^#|]*\n)?\| Column \|", RegexOptions.Multiline)]
    private static partial Regex TableHeading();

    [GeneratedRegex(@"Schema version: \*\*(\d+)\*\*")]
    private static partial Regex Version();

    [GeneratedRegex(@"CREATE TABLE (IF NOT EXISTS )?(?<table>\w+) \((?<body>.*?)\n\s*\)( ENGINE[^;]*)?;", RegexOptions.Singleline)]
    private static partial Regex Statement();

    [GeneratedRegex(@"IDENTITY\(1, 1\)|GENERATED BY DEFAULT AS IDENTITY|AUTO_INCREMENT|AUTOINCREMENT")]
    private static partial Regex Numbered();

    // N'…' is SQL Server's way to write a text; the parentheses around an expression belong to the clause.
    [GeneratedRegex(@" DEFAULT (N?(?<value>'[^']*')|(?<value>\d+)|\((?<value>.*)\))( NULL)?,?$")]
    private static partial Regex Default();

    [GeneratedRegex(@"^(CONSTRAINT (?<name>\w+) PRIMARY KEY( CLUSTERED)?|(UNIQUE )?KEY (?<name>\w+)) \((?<columns>[^)]*)\)")]
    private static partial Regex Key();

    [GeneratedRegex(@"^\w+ .* CONSTRAINT (?<name>\w+) PRIMARY KEY")]
    private static partial Regex InlineKey();

    [GeneratedRegex(@"CREATE (UNIQUE )?INDEX (IF NOT EXISTS )?(?<name>\w+) ON (?<table>\w+) \((?<columns>[^)]*)\)")]
    private static partial Regex Index();
}

using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Tests.Support;
using Newtonsoft.Json;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Tests.Docs;

/// <summary>The documented partitions of keys are what C#, Python, SQL and a shell compute by the documented formulas.</summary>
internal sealed partial class PartitionVectorTests
{
    private static readonly MarkdownPage Page = new("docs/table-contract.md");

    private static readonly IReadOnlyList<(string Key, string Crc, int Count, string Partition)> Vectors =
    [
        .. Page.Table("The partition of a key", "Key", "CRC-32").SelectMany(row => row.Keys.Where(c => c.StartsWith("of ", StringComparison.Ordinal))
            .Select(c => (KeyOf(row["Key"]), MarkdownPage.Code(row["CRC-32"]), int.Parse(c[3..], CultureInfo.InvariantCulture), row[c]))),
    ];

    [Test]
    public void There_are_vectors_for_every_kind_of_key()
    {
        var keys = Vectors.Select(v => v.Key).Distinct().ToList();
        Assert.That(keys, Has.Count.GreaterThan(8).And.Member("").And.Some.Length.EqualTo(PartitionKey.MaxLength).And.Some.Matches<string>(k => k.Any(char.IsSurrogate)));
        Assert.That(Vectors.Select(v => v.Count), Does.Contain(16).And.Contain(Outbox.OutboxOptions.MaxPartitions));
    }

    [Test]
    public void CSharp_agrees()
    {
        Assert.That(Vectors.Select(v => $"{Partitioner.PartitionOf(v.Key, v.Count)}"), Is.EqualTo(Vectors.Select(v => v.Partition)));
        Assert.That(Vectors.Select(v => $"{Crc32.HashToUInt32(Encoding.UTF8.GetBytes(v.Key)):x8}"), Is.EqualTo(Vectors.Select(v => v.Crc)));
    }

    [Test]
    public void Python_agrees()
    {
        var (code, output) = TestServers.Start(
            TestServers.Python(), "-c", $"import json, sys, zlib\nfor key, n in json.loads(sys.argv[1]): print({Formula("Python")})",
            JsonConvert.SerializeObject(Vectors.Select(v => new object[] { v.Key, v.Count }), new JsonSerializerSettings { StringEscapeHandling = StringEscapeHandling.EscapeNonAscii }));
        Assert.That(code, Is.Zero, output);
        Assert.That(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(Vectors.Select(v => v.Partition)));
    }

    [Test]
    public void The_sample_s_Python_agrees()
    {
        var folder = Path.Combine(Approved.Root, "Samples", "Polyglot", "python");
        var (code, output) = TestServers.Start(
            TestServers.Python(),
            ["-B", "-c", "import sys; sys.path.insert(0, sys.argv[1])\nfrom place_orders import partition_of\nfor line in sys.argv[2:]: print(partition_of(line, 1024))", folder, .. Vectors.Where(v => v.Count == 1_024).Select(v => v.Key)]);
        Assert.That(code, Is.Zero, output);
        Assert.That(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(Vectors.Where(v => v.Count == 1_024).Select(v => v.Partition)));
    }

    [Test]
    public void A_shell_agrees()
    {
        var (code, output) = TestServers.Start("bash", ["-c", $"n=1024; for key; do {Page.Blocks("sh").Single().TrimEnd()}; done", "bash", .. Vectors.Where(v => v.Count == 1_024).Select(v => v.Key)]);
        Assert.That(code, Is.Zero, output);
        Assert.That(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(Vectors.Where(v => v.Count == 1_024).Select(v => v.Partition)));
    }

    [Test]
    public async Task SQL_agrees([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        if (engine == SqlDialect.Sqlite)
            Assert.Pass("SQLite has no CRC-32; the program computes it.");
        await using var database = await TestDatabase.CreateAsync(engine, withTables: false);
        if (FunctionOf(engine) is { } function)
        {
            Assert.That(Page.Blocks("sql"), Has.One.Matches<string>(b => function.Contains(b, StringComparison.Ordinal)), "the documented function is the sample's");
            await database.ExecuteAsync(function);
        }
        var formula = Formula(engine == SqlDialect.MySql ? "MySQL, MariaDB" : engine == SqlDialect.PostgreSql ? "PostgreSQL" : "SQL Server");

        foreach (var (key, _, count, partition) in Vectors)
            Assert.That(await database.ScalarAsync<string>($"SELECT {formula}", ("key", key), ("n", count)), Is.EqualTo(partition), $"'{key}' of {count}");
    }

    private static string? FunctionOf(SqlDialect engine) => EndToEnd.SalesBench.SampleOf("partition", engine) is var file && File.Exists(file) ? File.ReadAllText(file) : null;

    private static string Formula(string where) => MarkdownPage.Code(Page.Table("The partition of a key", "Where").Single(r => r["Where"] == where)["The partition of a key among n"]);

    private static string KeyOf(string cell)
    {
        var key = JsonConvert.DeserializeObject<string>(MarkdownPage.Code(cell))!;
        return Times().Match(cell) is { Success: true } times ? string.Concat(Enumerable.Repeat(key, int.Parse(times.Groups[1].Value, CultureInfo.InvariantCulture))) : key;
    }

    [GeneratedRegex("× ([0-9]+)$")]
    private static partial Regex Times();
}

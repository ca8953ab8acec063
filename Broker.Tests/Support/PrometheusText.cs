using Newtonsoft.Json;

namespace Broker.Tests.Support;

/// <summary>Reads what a Prometheus endpoint serves with Prometheus' own Python library, and with promtool where that is installed.</summary>
internal static class PrometheusText
{
    private const string Script = """
        import json, sys
        from prometheus_client.parser import text_string_to_metric_families
        for family in text_string_to_metric_families(open(sys.argv[1], encoding="utf-8").read()):
            for sample in family.samples:
                print(json.dumps({"family": family.name, "type": family.type, "name": sample.name, "labels": sample.labels, "value": repr(sample.value)}))
        """;

    /// <summary>A sample.</summary>
    internal sealed record Sample(string Family, string Type, string Name, IReadOnlyDictionary<string, string> Labels, double Value);

    /// <summary>All samples. Fails when the text is not what Prometheus reads.</summary>
    public static IReadOnlyList<Sample> Parse(string text)
    {
        var file = Path.Combine(TestServers.Folder, "metrics.txt");
        File.WriteAllText(file, text);
        if (Promtool is { } promtool)
        {
            // 3 is a matter of taste: its linter knows better names for some of the runtime's metrics.
            var (checkedBy, says) = TestServers.Start("bash", "-c", "\"$0\" check metrics < \"$1\"", promtool, file);
            Assert.That(checkedBy, Is.EqualTo(0).Or.EqualTo(3), says);
            Assert.That(says.Split('\n').Where(l => l.StartsWith("outbox_", StringComparison.Ordinal) || l.StartsWith("messaging_", StringComparison.Ordinal)), Is.Empty);
        }
        var (code, output) = TestServers.Start(TestServers.Python("prometheus_client", "python3-prometheus-client"), "-c", Script, file);
        Assert.That(code, Is.Zero, output + text);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonConvert.DeserializeAnonymousType(l, new { family = "", type = "", name = "", labels = new Dictionary<string, string>(), value = "" })!)
            .Select(s => new Sample(s.family, s.type, s.name, s.labels, s.value switch
            {
                "nan" => double.NaN,
                "inf" => double.PositiveInfinity,
                _ => double.Parse(s.value, System.Globalization.CultureInfo.InvariantCulture),
            }))];
    }

    /// <summary>The program promtool, if it is installed.</summary>
    public static string? Promtool => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, "promtool")).FirstOrDefault(File.Exists);
}

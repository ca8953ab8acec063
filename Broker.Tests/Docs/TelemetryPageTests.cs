using System.Text.RegularExpressions;
using Broker.Tests.Support;
using Newtonsoft.Json.Linq;
using YamlDotNet.Serialization;

namespace Broker.Tests.Docs;

/// <summary>docs/telemetry.md, the alert rules and the Grafana dashboard name what exists, under the names that the endpoint gives it.</summary>
internal sealed partial class TelemetryPageTests
{
    /// <summary>What Prometheus adds itself.</summary>
    private static readonly string[] OfTheScrape = ["instance", "job"];

    private static readonly string[] OfTheExporter = ["le", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"];

    private IReadOnlyList<PrometheusText.Sample> _samples = [];

    private sealed record Alert(string Name, string Expression, IReadOnlyDictionary<string, string> Annotations);

    [OneTimeSetUp]
    public async Task Scrape() => _samples = await TelemetryScrape.SamplesAsync();

    [Test]
    public void The_table_of_metrics_is_what_the_meter_has()
    {
        var documented = TelemetryScrape.Table.Select(r => $"{MarkdownPage.Code(r["Instrument"])} {r["Kind"]} {r["Unit"]}");
        var real = TelemetryScrape.Instruments().Select(i => $"{i.Name} {KindOf(i.GetType().Name)} {i.Unit}");
        Assert.That(documented.Order(StringComparer.Ordinal), Is.EqualTo(real.Order(StringComparer.Ordinal)));
    }

    [Test]
    public void The_table_gives_the_names_and_labels_that_Prometheus_sees()
    {
        foreach (var row in TelemetryScrape.Table)
        {
            var name = MarkdownPage.Code(row["Prometheus"]);
            var samples = _samples.Where(s => s.Name == (row["Kind"] == "histogram" ? name + "_count" : name)).ToList();
            Assert.That(samples, Is.Not.Empty, name);
            var labels = samples.Select(s => string.Join(", ", s.Labels.Keys.Except(OfTheExporter).Order(StringComparer.Ordinal))).Distinct();
            Assert.That(labels, Is.EquivalentTo(TelemetryScrape.TagsOf(row).Select(tags => string.Join(", ", tags.Select(t => t.Replace('.', '_')).Order(StringComparer.Ordinal)))), name);
        }
    }

    [Test]
    public void The_table_of_health_is_what_the_checks_say()
    {
        var documented = new MarkdownPage("docs/telemetry.md").Table("Health", "Part", "State", "Status", "Meaning", "Do")
            .SelectMany(r => Quoted().Matches(r["State"]).Select(m => $"{m.Groups[1].Value}: {r["Status"]}"));
        var said = ((string[])["Broker/Telemetry/WorkerHealth.cs", "Broker/Broker.Relay/SourceHealth.cs", "Outbox/Consumers/ConsumerState.cs"])
            .SelectMany(f => SaidState().Matches(File.ReadAllText(Path.Combine(Approved.Root, f)))).Select(m => $"{m.Groups[1].Value}: {m.Groups[2].Value}");
        Assert.That(documented.Distinct().Order(StringComparer.Ordinal), Is.EqualTo(said.Distinct().Order(StringComparer.Ordinal)));
    }

    [Test]
    public void Every_metric_and_every_state_is_named_by_a_test_that_causes_it()
    {
        var tests = Directory.EnumerateFiles(Path.Combine(Approved.Root, "Broker.Tests"), "*Tests.cs", SearchOption.AllDirectories).Where(f => Path.GetFileName(Path.GetDirectoryName(f)!) is "EndToEnd" or "Unit").ToLookup(f => Path.GetFileName(f)[..^"Tests.cs".Length], File.ReadAllText);
        var metrics = tests.Where(t => t.Key.EndsWith("Metric", StringComparison.Ordinal) || t.Key == "SagaTelemetry").SelectMany(t => t).ToList();
        var health = tests.Where(t => t.Key.Contains("Health", StringComparison.Ordinal) || t.Key is "WorkerTelemetry" or "JobStorage" or "RecurringJob").SelectMany(t => t).ToList();

        foreach (var name in TelemetryScrape.Table.Select(r => MarkdownPage.Code(r["Instrument"])))
            Assert.That(metrics.Any(t => t.Contains($"\"{name}\"", StringComparison.Ordinal)), name);
        foreach (var state in new MarkdownPage("docs/telemetry.md").Table("Health", "Part", "State", "Status", "Meaning", "Do").SelectMany(r => Quoted().Matches(r["State"])).Select(m => m.Groups[1].Value))
            Assert.That(health.Any(t => t.Contains($"\"{state}\"", StringComparison.Ordinal)), state);
    }

    [Test]
    public void Every_alert_asks_for_metrics_and_labels_that_exist()
    {
        foreach (var alert in Alerts())
        {
            Check(alert.Name, alert.Expression);
            var kept = By().Matches(alert.Expression).SelectMany(m => Names(m.Groups[1].Value)).Concat(OfTheScrape).ToHashSet();
            foreach (Match used in UsedLabel().Matches(string.Join(' ', alert.Annotations.Values)))
                Assert.That(kept, Does.Contain(used.Groups[1].Value), $"{alert.Name} uses a label that its expression does not keep");
        }
    }

    [Test]
    public void Every_alert_has_a_runbook_and_a_place_in_the_table()
    {
        var table = new MarkdownPage("docs/telemetry.md").Table("Alerts", "Alert", "Means", "Do").SelectMany(r => Quoted().Matches(r["Alert"]).Select(m => m.Groups[1].Value));
        Assert.That(Alerts().Select(a => a.Name), Is.EquivalentTo(table));
        foreach (var alert in Alerts())
        {
            var runbook = alert.Annotations["runbook"].Split('#');
            var headings = new MarkdownPage(runbook[0]).Text.Split('\n').Where(l => l.StartsWith('#')).Select(Anchor);
            Assert.That(headings, Does.Contain(runbook[1]), $"the runbook of {alert.Name}");
        }
    }

    [Test]
    public void Prometheus_own_tool_accepts_the_rules_and_the_configuration_and_what_they_do_in_time()
    {
        var promtool = TestServers.Client("promtool");
        foreach (var (what, file) in new[] { ("check rules", "alerts.yml"), ("check config", "prometheus.yml"), ("test rules", "alerts.test.yml") })
        {
            var (code, output) = TestServers.Start(promtool, [.. what.Split(' '), Path.Combine(Approved.Root, "docker", "prometheus", file)]);
            Assert.That(code, Is.Zero, output);
        }
    }

    [Test]
    public void Every_panel_of_the_dashboard_asks_for_metrics_and_labels_that_exist()
    {
        var dashboard = JObject.Parse(File.ReadAllText(Path.Combine(Approved.Root, "docker", "grafana", "dashboards", "outbox.json")));
        var targets = dashboard.SelectTokens("$.panels[*].targets[*]").Select(t => (Expression: (string)t["expr"]!, Legend: (string)t["legendFormat"]!, Panel: (string)t.Parent!.Parent!.Parent!["title"]!)).ToList();
        Assert.That(targets, Has.Count.GreaterThan(20));
        foreach (var (expression, legend, panel) in targets)
        {
            Check(panel, expression);
            var kept = By().Matches(expression).SelectMany(m => Names(m.Groups[1].Value)).ToHashSet();
            foreach (Match used in LegendLabel().Matches(legend))
                Assert.That(kept, Does.Contain(used.Groups[1].Value), $"the legend of '{panel}'");
        }
        foreach (var query in dashboard.SelectTokens("$.templating.list[*].query.query").Select(q => LabelValues().Match((string)q!)))
            Assert.That(_samples.First(s => s.Name == query.Groups[1].Value).Labels.Keys, Does.Contain(query.Groups[2].Value));
    }

    private void Check(string where, string expression)
    {
        // Not what is between quotes: values of labels look like names.
        var bare = QuotedText().Replace(expression, "\"\"");
        var metrics = Metric().Matches(bare);
        Assert.That(metrics, Is.Not.Empty, where);
        var kept = By().Matches(bare).SelectMany(m => Names(m.Groups[1].Value)).ToHashSet();
        foreach (Match metric in metrics)
        {
            var name = metric.Groups[1].Value;
            var labels = name == "up" ? OfTheScrape.ToHashSet() : _samples.Where(s => s.Name == name).SelectMany(s => s.Labels.Keys).Concat(OfTheScrape).ToHashSet();
            Assert.That(name == "up" || _samples.Any(s => s.Name == name), Is.True, $"'{where}' asks for {name}, which the endpoint does not serve");
            var wanted = Matcher().Matches(metric.Groups[2].Value).Select(m => m.Groups[1].Value).Concat(kept);
            Assert.That(wanted.Where(l => !labels.Contains(l)), Is.Empty, $"'{where}' asks for labels that {name} does not have");
        }
    }

    private static List<Alert> Alerts()
    {
        var file = new DeserializerBuilder().Build().Deserialize<Dictionary<string, List<Dictionary<string, object>>>>(File.ReadAllText(Path.Combine(Approved.Root, "docker", "prometheus", "alerts.yml")));
        return [.. file["groups"].SelectMany(g => (List<object>)g["rules"]).Cast<Dictionary<object, object>>()
            .Select(r => new Alert((string)r["alert"], (string)r["expr"], ((Dictionary<object, object>)r["annotations"]).ToDictionary(a => (string)a.Key, a => (string)a.Value)))];
    }

    private static string Anchor(string heading) => NotInAnchors().Replace(heading.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-');

    private static string[] Names(string list) => list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static string KindOf(string type) => type.StartsWith("Counter", StringComparison.Ordinal) ? "counter" : type.StartsWith("Histogram", StringComparison.Ordinal) ? "histogram" : type.StartsWith("UpDown", StringComparison.Ordinal) ? "up-down counter" : "gauge";

    [GeneratedRegex("\\b(up|(?:outbox|messaging|dotnet)_[a-z_]+)\\b(?![^({]*\\)\\s*\\()(?:\\{([^}]*)\\})?")]
    private static partial Regex Metric();

    [GeneratedRegex("\\b(?:by|on) \\(([^)]*)\\)")]
    private static partial Regex By();

    [GeneratedRegex("([a-z_]+)\\s*(?:=~|=|!=|!~)")]
    private static partial Regex Matcher();

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex QuotedText();

    [GeneratedRegex("\"([a-z -]+)\", HealthStatus\\.(\\w+)")]
    private static partial Regex SaidState();

    [GeneratedRegex("\\$labels\\.([a-z_]+)")]
    private static partial Regex UsedLabel();

    [GeneratedRegex("\\{\\{([a-z_]+)\\}\\}")]
    private static partial Regex LegendLabel();

    [GeneratedRegex("label_values\\(([a-z_]+), ([a-z_]+)\\)")]
    private static partial Regex LabelValues();

    [GeneratedRegex("`([^`]*)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("[^a-z0-9 _-]")]
    private static partial Regex NotInAnchors();
}

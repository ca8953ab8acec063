using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Broker.Telemetry;
using Broker.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Diagnostics;

namespace Broker.Tests.Docs;

/// <summary>What the worker's endpoint serves when every instrument has told something with every tag that docs/telemetry.md gives it.</summary>
internal static class TelemetryScrape
{
    /// <summary>A value that no other test of this process uses for a tag.</summary>
    private const string Mark = "telemetry-page";

    /// <summary>The rows of the table of metrics.</summary>
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Table { get; } = new MarkdownPage("docs/telemetry.md").Table("Metrics", "Instrument", "Kind", "Unit", "Tags", "Prometheus", "Meaning");

    /// <summary>The instruments of the meter <c>Outbox</c>.</summary>
    public static IReadOnlyList<Instrument> Instruments()
    {
        RuntimeHelpers.RunClassConstructor(typeof(OutboxGauges).TypeHandle);
        var found = new List<Instrument>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => { if (instrument.Meter == OutboxMetrics.Meter) found.Add(instrument); } };
        listener.Start();
        return found;
    }

    public static string[][] TagsOf(IReadOnlyDictionary<string, string> row) => [.. row["Tags"].Split(" or ").Select(t => t.Split(", "))];

    /// <summary>The samples with the mark, and their labels.</summary>
    public static async Task<IReadOnlyList<PrometheusText.Sample>> SamplesAsync()
    {
        var settings = new TelemetrySettings();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRouting().AddSingleton(TimeProvider.System);
        builder.Services.AddTelemetry(settings, listens: true);
        await using var app = builder.Build();
        app.UseRouting();
        app.MapTelemetry(settings);
        await app.StartAsync();
        using var sources = OutboxGauges.Add(() => new SourceReading(Mark, Mark, true, 1, 1, 1, 1, new OutboxReading(1, TimeSpan.FromSeconds(1), 1, 1, 1, 1)));
        using var consumers = OutboxGauges.Add(() => new ConsumerReading(Mark, true));
        using var coordinators = OutboxGauges.Add(() => new CoordinatorReading(Mark, TimeSpan.FromSeconds(1)));
        var instruments = Instruments();
        foreach (var row in Table)
        {
            foreach (var tags in TagsOf(row))
                Tell(instruments.SingleOrDefault(i => i.Name == MarkdownPage.Code(row["Instrument"])), [.. tags.Select(t => new KeyValuePair<string, object?>(t, Mark))]);
        }
        using var client = new HttpClient();
        var samples = PrometheusText.Parse(await client.GetStringAsync(app.Urls.Single() + "/metrics"));
        await app.StopAsync();
        return [.. samples.Where(s => s.Labels.Values.Contains(Mark))];
    }

    private static void Tell(Instrument? instrument, KeyValuePair<string, object?>[] tags)
    {
        switch (instrument)
        {
            case Counter<long> counter:
                counter.Add(1, tags);
                break;
            case UpDownCounter<long> standing:
                standing.Add(1, tags);
                break;
            case Histogram<double> durations:
                durations.Record(1, tags);
                break;
            case Histogram<int> sizes:
                sizes.Record(1, tags);
                break;
        }
    }
}

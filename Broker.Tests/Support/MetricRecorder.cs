using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Outbox.Diagnostics;

namespace Broker.Tests.Support;

/// <summary>Hears what the meter <c>Outbox</c> tells of one source or consumer: other tests of this process speak through the same instruments.</summary>
internal sealed class MetricRecorder : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<Measured> _measured = new();

    /// <summary>One measurement.</summary>
    internal sealed record Measured(string Instrument, double Value, IReadOnlyDictionary<string, object?> Tags);

    /// <param name="names">The sources, consumers and queues to hear of.</param>
    public MetricRecorder(params string[] names)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == OutboxMetrics.MeterName)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.Start();

        void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var all = new Dictionary<string, object?>(tags.ToArray(), StringComparer.Ordinal);
            if (all.Values.Any(v => v is string text && names.Contains(text)))
                _measured.Enqueue(new Measured(instrument.Name, value, all));
        }
    }

    /// <summary>What an instrument has told so far, with these tags among its own.</summary>
    public IReadOnlyList<Measured> Of(string instrument, params (string Name, object Value)[] tags) =>
        [.. _measured.Where(m => m.Instrument == instrument && tags.All(t => Equals(m.Tags.GetValueOrDefault(t.Name), t.Value)))];

    /// <summary>The sum of a counter.</summary>
    public double Sum(string instrument, params (string Name, object Value)[] tags) => Of(instrument, tags).Sum(m => m.Value);

    /// <summary>Waits until a counter, or the number of a histogram's values times themselves, has reached a sum.</summary>
    public Task SumBecomesAsync(double sum, string instrument, params (string Name, object Value)[] tags) =>
        Eventually.EqualsAsync(() => Task.FromResult(Sum(instrument, tags)), sum, $"{instrument} {string.Join(", ", tags)}");

    /// <summary>What a gauge shows now; null if it does not show these tags.</summary>
    public double? Gauge(string instrument, params (string Name, object Value)[] tags)
    {
        var before = Of(instrument, tags).Count;
        _listener.RecordObservableInstruments();
        return Of(instrument, tags).Skip(before).LastOrDefault()?.Value;
    }

    /// <summary>Waits until a gauge shows a value; null: nothing.</summary>
    public Task GaugeBecomesAsync(double? value, string instrument, params (string Name, object Value)[] tags) =>
        Eventually.EqualsAsync(() => Task.FromResult(Gauge(instrument, tags)), value, $"{instrument} {string.Join(", ", tags)}");

    public void Dispose() => _listener.Dispose();
}

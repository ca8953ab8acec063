using System.Diagnostics.Metrics;

namespace Broker.Bench;

/// <summary>Waits until one of the library's own counters has grown by a number: asking the database would cost it time.</summary>
internal sealed class MetricCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _count;

    /// <summary>Counts from now on.</summary>
    /// <param name="instrument">Its name, for example <c>outbox.relay.settled</c>.</param>
    /// <param name="target">When <see cref="Reached"/> completes.</param>
    public MetricCounter(string instrument, long target)
    {
        _listener.InstrumentPublished = (published, listener) =>
        {
            if (published.Meter.Name == "Outbox" && published.Name == instrument)
                listener.EnableMeasurementEvents(published);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
        {
            if (First is null)
                First = (TimeProvider.System.GetTimestamp(), value);
            if (Interlocked.Add(ref _count, value) >= target)
                _reached.TrySetResult();
        });
        _listener.Start();
    }

    /// <summary>When the counter grew first, and by how much.</summary>
    public (long Timestamp, long Count)? First { get; private set; }

    public Task Reached => _reached.Task;

    public void Dispose() => _listener.Dispose();
}

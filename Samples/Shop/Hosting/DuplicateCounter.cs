using System.Diagnostics.Metrics;

namespace Shop.Hosting;

/// <summary>Counts the deliveries that this process's inboxes have recognized as copies.</summary>
internal sealed class DuplicateCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _count;

    public DuplicateCounter()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Outbox", Name: "outbox.inbox.duplicates" })
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _count, value));
        _listener.Start();
    }

    public long Count => Interlocked.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}

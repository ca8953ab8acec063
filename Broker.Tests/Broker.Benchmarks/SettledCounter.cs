using System.Diagnostics.Metrics;

namespace Broker.Benchmarks;

/// <summary>Waits until the relay has settled a number of rows, by its own metric: asking the database would cost it time.</summary>
internal sealed class SettledCounter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _settled;

    public SettledCounter(int count)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Outbox", Name: "outbox.relay.settled" })
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
        {
            if (Interlocked.Add(ref _settled, value) >= count)
                _reached.TrySetResult();
        });
        _listener.Start();
    }

    public Task Reached => _reached.Task;

    public void Dispose() => _listener.Dispose();
}

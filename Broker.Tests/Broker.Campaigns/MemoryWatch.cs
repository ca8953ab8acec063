namespace Broker.Campaigns;

/// <summary>Samples a worker's memory every half second.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Worker _worker;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly List<(long At, long Bytes)> _samples = [];
    private readonly Task _watching;

    public MemoryWatch(Worker worker)
    {
        _worker = worker;
        _watching = Task.Run(WatchAsync);
    }

    /// <summary>The most that was in use between two time stamps, in MiB.</summary>
    public double Most(long from, long to)
    {
        lock (_lock)
            return _samples.Where(s => s.At >= from && s.At <= to).Select(s => s.Bytes / 1024.0 / 1024.0).DefaultIfEmpty(double.NaN).Max();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested && !_worker.HasExited)
        {
            lock (_lock)
                _samples.Add((TimeProvider.System.GetTimestamp(), _worker.ResidentBytes));
            await Task.Delay(Interval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}

using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Goes on with a change of the number of partitions when whoever made it has died. Beside the relay's own loop, which tells meanwhile that the relay lives.</summary>
internal sealed class RepartitionWatch(RelaySource source, string owner, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    private Task _work = Task.CompletedTask;
    private TimeSpan _delay;
    private long _failedAt;
    private int _failures;

    /// <summary>Ends when nothing is being done.</summary>
    public Task Ended => _work;

    /// <summary>Looks whether somebody works on the change, and does so otherwise.</summary>
    public void Look(RelayBeat beat, CancellationToken stoppingToken)
    {
        if (!_work.IsCompleted || time.GetElapsedTime(_failedAt) < _delay || beat.Leases.Any(l => l.Name == Repartitioning.LeaseName && l.SecondsLeft > 0))
            return;
        _work = Task.Run(() => new Repartitioning(source.DataSource, source.Dialect, owner, source.Options.LeaseDuration, time, Tell).TryRunAsync(partitions: null, stoppingToken), CancellationToken.None);
    }

    /// <summary>Why it failed, once; null if it has not. It is tried again after the delay.</summary>
    public Exception? TakeFailure(out TimeSpan delay)
    {
        var failure = _work is { IsFaulted: true, Exception.InnerException: { } inner } ? inner : null;
        if (failure is not null)
            (_work, _failedAt, _delay) = (Task.CompletedTask, time.GetTimestamp(), Backoff.Delay(++_failures, FirstRetry, LongestRetry));
        delay = _delay;
        return failure is LeaseLostException ? null : failure;
    }

    private void Tell(RepartitionProgress progress)
    {
        if (progress.Stage == RepartitionStage.Done)
            Log.Repartitioned(logger, source.Name, progress.Done, progress.Of);
    }
}

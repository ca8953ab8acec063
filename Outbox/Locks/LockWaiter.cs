using System.Data.Common;

namespace Outbox.Locks;

/// <summary>Shows in the database that this process waits for a lock, once it has done so for a second. A short wait costs nothing.</summary>
internal sealed class LockWaiter : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _showing;

    public LockWaiter(DatabaseLeases leases, string name, string owner, TimeProvider time) => _showing = ShowAsync(leases, name, owner, time);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _showing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task ShowAsync(DatabaseLeases leases, string name, string owner, TimeProvider time)
    {
        await Task.Delay(Patience, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_stop.IsCancellationRequested)
            return;
        try
        {
            await leases.DeleteOldAsync(DatabaseLocks.WaitPrefix, _stop.Token).ConfigureAwait(false);
            if (await leases.TryAcquireAsync($"{DatabaseLocks.WaitPrefix}{name}/{Guid.CreateVersion7():N}", owner, Duration, _stop.Token).ConfigureAwait(false) is not { } row)
                return;
            await Task.Delay(Timeout.InfiniteTimeSpan, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await row.AbandonAsync().ConfigureAwait(false);
            await leases.DeleteAsync(row.Name, row.Token, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or OperationCanceledException or InvalidOperationException or IOException or TimeoutException)
        {
            // It is for people only. A row that stays runs out.
        }
    }
}

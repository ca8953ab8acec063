using System.Data.Common;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Hears of commits from the database itself, on a connection that does nothing else, and wakes the relay.</summary>
/// <remarks>It touches no row. What it misses costs the time until the relay looks by itself; after each interruption it wakes the relay once.</remarks>
/// <param name="source">The source.</param>
/// <param name="wake">Wakes its relay. Must return at once and not throw.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where to tell.</param>
internal sealed class NotifyListener(RelaySource source, Action wake, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(500);

    private int _failures;
    private bool _isDeaf;
    private bool _isWarned;

    /// <summary>After so long without a notification it asks the database whether it still hears anything: a connection can be dead without anybody having closed it.</summary>
    public TimeSpan Quiet { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it waits for the answer.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Listens until told to stop. Fails never.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(stoppingToken).ConfigureAwait(false);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                var delay = Backoff.Delay(++_failures, FirstRetry, LongestRetry);
                if (!_isDeaf)
                    Log.NotificationsLost(logger, source.Name, exception is OperationCanceledException ? "No answer in time" : SqlErrors.TextOf(exception));
                _isDeaf = true;
                await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ListenAsync(CancellationToken stoppingToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(stoppingToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        try
        {
            // Not only while it waits: one that comes during a command is no reason for the next wait to end.
            source.Dialect.WhenNotified(connection, wake);
            await AskAsync(connection, stoppingToken).ConfigureAwait(false);
            // Of what was committed until now nobody has told it.
            wake();
            _isDeaf = false;
            Log.Listening(logger, source.Name);
            while (true)
            {
                if (!await source.Dialect.WaitForNotificationAsync(connection, Quiet, stoppingToken).ConfigureAwait(false))
                    await AskAsync(connection, stoppingToken).ConfigureAwait(false);
                // Not before: a connection that dies as soon as it listens is not opened again and again without a pause.
                _failures = 0;
            }
        }
        finally
        {
            await LeaveAsync(connection).ConfigureAwait(false);
        }
    }

    private async Task AskAsync(DbConnection connection, CancellationToken stoppingToken)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stoppingToken);
        var isTold = await connection.Command(source.Dialect.Listen!).ScalarAsync(either.Token).ConfigureAwait(false) is true;
        if (!isTold && !_isWarned)
            Log.NoNotifications(logger, source.Name);
        _isWarned = !isTold;
    }

    /// <summary>A connection that goes back to its pool and still listens would be told of every commit, and nobody would read it.</summary>
    private async Task LeaveAsync(DbConnection connection)
    {
        using var limit = new CancellationTokenSource(Farewell, time);
        try
        {
            await connection.Command(source.Dialect.Unlisten!).ExecuteAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (SqlErrors.IsOfDatabase(exception) || exception is OperationCanceledException or InvalidOperationException or TimeoutException)
        {
            // It is broken, and no pool takes it back.
        }
    }
}

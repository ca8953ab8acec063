using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Removes archived rows by age, in small batches, as long as the source's first partition is held: so one node does it.</summary>
internal sealed class ArchiveRetention(RelaySource source, TimeProvider time, ILogger logger)
{
    private const int Batch = 1_000;
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstAfter = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs until cancelled. A failure is logged and tried again at the next hour.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // Also with archiving off: what it left behind ages too.
        for (var wait = FirstAfter; !cancellationToken.IsCancellationRequested; wait = Interval)
        {
            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
            try
            {
                if (await RemoveAsync(cancellationToken).ConfigureAwait(false) is > 0 and var removed)
                    Log.ArchiveEmptied(logger, source.Name, removed, source.Options.ArchiveRetention);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                Log.RetentionFailed(logger, source.Name, SqlErrors.TextOf(exception));
            }
        }
    }

    internal async Task<int> RemoveAsync(CancellationToken cancellationToken)
    {
        var (total, deleted) = (0, Batch);
        while (deleted == Batch)
        {
            // The pause lets others write: a table that was kept for months is emptied beside them.
            if (total > 0)
                await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
            var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            deleted = await connection.Command(source.Dialect.DeleteOldArchive)
                .With("seconds", (long)source.Options.ArchiveRetention.TotalSeconds).With("limit", Batch)
                .ExecuteAsync(cancellationToken).ConfigureAwait(false);
            total += deleted;
        }
        return total;
    }
}

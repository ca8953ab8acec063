using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Removes archived rows by age, in small batches, as long as the source's first partition is held: so one node does it.</summary>
internal sealed class ArchiveRetention(RelaySource source, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstAfter = TimeSpan.FromMinutes(1);

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

    internal Task<long> RemoveAsync(CancellationToken cancellationToken) =>
        new GradualDelete(time).RunAsync(source.DataSource, source.Dialect.DeleteOldArchive, source.Options.ArchiveRetention, bind: null, cancellationToken);
}

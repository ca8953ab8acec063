using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Receipts;

/// <summary>Deletes old receipts and requests in small batches, and consumers that were not heard of for long.</summary>
internal sealed class ReceiptRetention(OutboxRegistration outbox, IServiceProvider services, TimeProvider time, ILogger<ReceiptRetention> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstAfter = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Soon after the start: a service that is deployed every half hour must forget, too.
        for (var wait = FirstAfter; ; wait = Interval)
        {
            await Task.Delay(wait, time, stoppingToken).ConfigureAwait(false);
            try
            {
                await ForgetOldAsync(stoppingToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Log.ReceiptsNotDeleted(logger, outbox.Source, SqlErrors.TextOf(exception));
            }
        }
    }

    internal async Task ForgetOldAsync(CancellationToken cancellationToken)
    {
        var (dialect, options) = (outbox.Dialect(services), outbox.Options.Receipts!);
        await DeleteAsync(dialect.DeleteOldReceipts, options.Retention, cancellationToken).ConfigureAwait(false);
        await DeleteAsync(dialect.DeleteOldReceiptRequests, options.Retention, cancellationToken).ConfigureAwait(false);
        var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.Command(dialect.DeleteOldConsumers).With("seconds", (long)options.ConsumerLifetime.TotalSeconds).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private Task<long> DeleteAsync(string statement, TimeSpan age, CancellationToken cancellationToken) =>
        new GradualDelete(time).RunAsync(outbox.DataSource(services), statement, age, bind: null, cancellationToken);
}

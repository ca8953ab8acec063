using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Sagas;

/// <summary>Deletes old sagas in small batches.</summary>
internal sealed class SagaRetention(string saga, OutboxRegistration outbox, SagaEngine engine, IServiceProvider services, TimeProvider time, ILogger<SagaRetention> logger) : BackgroundService
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
                await engine.ForgetOldAsync(services, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Log.SagasNotDeleted(logger, saga, outbox.Source, SqlErrors.TextOf(exception));
            }
        }
    }
}

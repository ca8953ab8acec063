using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Consumers;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Transport;

namespace Outbox.Receipts;

/// <summary>Tells publishers, at the start and then once a minute, which consumers this process has.</summary>
/// <remarks>Straight through the transport, not the outbox: what is lost is said again, and while no publisher wants receipts there is no queue for it, which is no failure.</remarks>
internal sealed class ConsumerAnnouncer(OutboxRegistration outbox, ITransport transport, TimeProvider time, ILogger<ConsumerAnnouncer> logger) : BackgroundService
{
    internal static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly JsonMessageSerializer Json = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var failures = 0; ;)
        {
            try
            {
                await AnnounceAsync(stoppingToken).ConfigureAwait(false);
                failures = 0;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                if (failures++ == 0)
                    Log.NotAnnounced(logger, outbox.Source, exception.Message);
            }
            await Task.Delay(failures == 0 ? Interval : Backoff.Delay(failures, FirstRetry, Interval), time, stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task AnnounceAsync(CancellationToken stoppingToken)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, patience.Token);
        var channel = await transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = ConsumerAnnouncement.ViaExchange }, either.Token).ConfigureAwait(false);
        await using var _ = channel.ConfigureAwait(false);
        var sent = 0;
        foreach (var (options, types) in outbox.Announced)
            await channel.PublishAsync(EnvelopeOf(options, [.. types()]), sent++, either.Token).ConfigureAwait(false);
        for (; sent > 0; sent--)
        {
            // Unroutable: nobody wants to know.
            if (await channel.Results.ReadAsync(either.Token).ConfigureAwait(false) is { Outcome: not (PublishOutcome.Confirmed or PublishOutcome.Unroutable) } result)
                throw new TransportException($"The broker did not take it ({result.Outcome}). {result.Reason}", isTransient: true);
        }
    }

    private Envelope EnvelopeOf(ConsumerOptions options, IReadOnlyList<string> types) => new()
    {
        MessageId = Guid.CreateVersion7(),
        Type = ConsumerAnnouncement.Type,
        ContentType = Json.ContentType,
        Body = Json.Serialize(new ConsumerAnnouncement(options.Name, options.Exchange, types)),
        Source = outbox.Source,
        CreatedAt = time.GetUtcNow().UtcDateTime,
    };
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Messages;

namespace Outbox.Receipts;

/// <summary>What a service with receipts has besides: consumers of its own for receipts and announcements, and their retention.</summary>
internal static class ReceiptConsumers
{
    /// <summary>As many as have arrived go into one transaction.</summary>
    private const int Batch = 500;

    public static string AnnouncementsOf(string source) => $"{source}.consumers";

    public static void Add(OutboxBuilder builder)
    {
        var (outbox, options) = (builder.Registration, builder.Options);
        if (options.Receipts is not { } receipts)
            return;
        receipts.Validate(options.Source);
        builder.Services.AddSingleton<IHostedService>(services => new ReceiptRetention(outbox, services, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<ReceiptRetention>>()));
        builder.AddConsumer(AnnouncementsOf(options.Source), consumer =>
        {
            Ours(consumer.Options, ConsumerAnnouncement.ViaExchange);
            consumer.InAnyOrder(concurrency: 1).Batch(Batch).Handle<ConsumerAnnouncement, AnnouncementHandler>(ConsumerAnnouncement.Type);
        });
        foreach (var exchange in receipts.ExchangesOf(options))
        {
            var name = exchange == options.Exchange ? $"{options.Source}.receipts" : $"{options.Source}.receipts.{exchange}";
            builder.AddConsumer(name, consumer =>
            {
                Ours(consumer.Options, exchange);
                consumer.Options.Committed = outbox.ReceiptSignal.Wake;
                consumer.InAnyOrder(concurrency: 1).Batch(Batch).Handle<ReceiptMessage, ReceiptHandler>(ReceiptMessage.TypeFor(options.Source));
            });
        }
    }

    private static void Ours(Consumers.ConsumerOptions options, string exchange)
    {
        options.Exchange = exchange;
        options.Serializer = new JsonMessageSerializer();
        options.Announces = false;
    }
}

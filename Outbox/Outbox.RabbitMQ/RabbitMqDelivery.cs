using Outbox.Transport;

namespace Outbox.RabbitMQ;

internal sealed class RabbitMqDelivery(DeliveryTags tags, ulong tag) : Delivery
{
    public override bool IsLost => !tags.IsOpen;

    public override ValueTask AcceptAsync() => tags.AcceptSoonAsync(tag);

    public override ValueTask RequeueAsync() => tags.GiveBackAsync(tag, requeue: true);

    public override ValueTask RejectAsync() => tags.GiveBackAsync(tag, requeue: false);

    internal override async ValueTask AcceptTogetherAsync(IReadOnlyList<Delivery> deliveries)
    {
        // A subscription has one channel after another; those of an earlier one are lost.
        foreach (var channel in deliveries.Cast<RabbitMqDelivery>().GroupBy(d => d.Tags))
            await channel.Key.AcceptAsync([.. channel.Select(d => d.Tag)]).ConfigureAwait(false);
    }

    private DeliveryTags Tags => tags;

    private ulong Tag => tag;
}

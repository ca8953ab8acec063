using Outbox.Transport;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

internal sealed class RabbitMqDelivery(IChannel channel, ulong tag) : Delivery
{
    public override bool IsLost => !channel.IsOpen;

    public override ValueTask AcceptAsync() => OnOpenChannelAsync(static (channel, tag) => channel.BasicAckAsync(tag, multiple: false));

    public override ValueTask RequeueAsync() => OnOpenChannelAsync(static (channel, tag) => channel.BasicNackAsync(tag, multiple: false, requeue: true));

    public override ValueTask RejectAsync() => OnOpenChannelAsync(static (channel, tag) => channel.BasicNackAsync(tag, multiple: false, requeue: false));

    private async ValueTask OnOpenChannelAsync(Func<IChannel, ulong, ValueTask> settle)
    {
        try
        {
            if (channel.IsOpen)
                await settle(channel, tag).ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            // The channel is gone, and with it the delivery: the broker hands the message out again.
        }
    }
}

using System.Collections.Concurrent;
using System.Threading.Channels;
using Outbox.Messages;
using Outbox.Transport;

namespace Transfer.Sagas.Crashes;

/// <summary>A channel that may die before the broker has a message, or when the broker has confirmed it and the relay does not know yet.</summary>
internal sealed class MortalChannel : IPublishChannel
{
    private readonly IPublishChannel _inner;
    private readonly CrashPoint _crash;
    private readonly ConcurrentDictionary<long, string> _sent = new();

    public MortalChannel(IPublishChannel inner, CrashPoint crash)
    {
        (_inner, _crash) = (inner, crash);
        Results = new Confirms(this);
    }

    public ChannelReader<PublishResult> Results { get; }

    public ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
    {
        var name = CrashPoint.NameOf(envelope.Type, envelope.Body);
        _crash.Reach(CrashPoint.BeforePublish, name);
        _sent[ticket] = name;
        return _inner.PublishAsync(envelope, ticket, cancellationToken);
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private sealed class Confirms(MortalChannel channel) : ChannelReader<PublishResult>
    {
        public override Task Completion => channel._inner.Results.Completion;

        public override bool TryRead(out PublishResult item)
        {
            if (!channel._inner.Results.TryRead(out item))
                return false;
            if (channel._sent.TryRemove(item.Ticket, out var name) && item.Outcome == PublishOutcome.Confirmed)
                channel._crash.Reach(CrashPoint.AfterPublish, name);
            return true;
        }

        public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) => channel._inner.Results.WaitToReadAsync(cancellationToken);
    }
}

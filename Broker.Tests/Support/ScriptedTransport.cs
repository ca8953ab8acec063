using System.Threading.Channels;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>A transport whose answers the test gives, or a script that it was handed.</summary>
internal sealed class ScriptedTransport(Func<Envelope, PublishOutcome?>? script = null) : ITransport
{
    private readonly Channel<Sent> _sent = Channel.CreateUnbounded<Sent>();
    private readonly List<ScriptedChannel> _channels = [];

    internal sealed record Sent(Envelope Envelope, Action<PublishOutcome> Answer);

    /// <summary>How many channels were opened.</summary>
    public int Channels => _channels.Count;

    /// <summary>The next message that was sent and not answered by the script.</summary>
    public async Task<Sent> NextAsync() => await _sent.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

    /// <summary>Whether a message has been sent that nobody has taken yet.</summary>
    public bool HasNext => _sent.Reader.TryPeek(out _);

    /// <summary>Loses the channel in use: what is unanswered stays unknown.</summary>
    public void Lose() => _channels[^1].Lose();

    public Task<IPublishChannel> OpenPublishChannelAsync(PublishChannelOptions options, CancellationToken cancellationToken)
    {
        _channels.Add(new ScriptedChannel(this, script, options.Window));
        return Task.FromResult<IPublishChannel>(_channels[^1]);
    }

    public Task<IAsyncDisposable> SubscribeAsync(SubscriptionOptions options, Func<Delivery, CancellationToken, ValueTask> onDelivery, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class ScriptedChannel(ScriptedTransport transport, Func<Envelope, PublishOutcome?>? script, int window) : IPublishChannel
    {
        private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>();
        private readonly HashSet<long> _unanswered = [];
        private readonly SemaphoreSlim _room = new(window);
        private readonly CancellationTokenSource _lostSource = new();
        private readonly Lock _lock = new();
        private bool _lost;

        public ChannelReader<PublishResult> Results => _results.Reader;

        public async ValueTask PublishAsync(Envelope envelope, long ticket, CancellationToken cancellationToken)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lostSource.Token);
            try
            {
                await _room.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (_lostSource.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw Lost();
            }
            lock (_lock)
            {
                if (_lost)
                    throw Lost();
                _unanswered.Add(ticket);
            }
            if (script?.Invoke(envelope) is { } outcome)
                Answer(ticket, outcome);
            else if (script is null)
                transport._sent.Writer.TryWrite(new Sent(envelope, answer => Answer(ticket, answer)));
            else
                Lose();
        }

        public void Lose()
        {
            lock (_lock)
            {
                if (_lost)
                    return;
                _lost = true;
                foreach (var ticket in _unanswered)
                    _results.Writer.TryWrite(new PublishResult(ticket, PublishOutcome.Unknown, "lost by script"));
                _results.Writer.Complete();
            }
            _lostSource.Cancel();
        }

        public ValueTask DisposeAsync()
        {
            Lose();
            return ValueTask.CompletedTask;
        }

        private void Answer(long ticket, PublishOutcome outcome)
        {
            lock (_lock)
            {
                if (_lost || !_unanswered.Remove(ticket))
                    return;
                _results.Writer.TryWrite(new PublishResult(ticket, outcome, outcome.ToString()));
            }
            _room.Release();
        }

        private static TransportException Lost() => new("The scripted channel is lost.", isTransient: true);
    }
}

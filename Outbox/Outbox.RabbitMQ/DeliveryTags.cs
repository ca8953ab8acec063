using System.Diagnostics.CodeAnalysis;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Settles the deliveries of one channel, many of them with one word where nothing below them is open. Thread-safe.</summary>
/// <remarks>The broker closes a channel that names a delivery twice, so a delivery is noted as settled in the same step in which it is told to the broker.</remarks>
[SuppressMessage("Reliability", "CA1001", Justification = "A semaphore that nobody waits for by its handle holds nothing.")]
internal sealed class DeliveryTags(IChannel channel, int gathered = 1)
{
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(5);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly HashSet<ulong> _settled = [];
    private ulong _settledBelow = 1;
    private List<ulong> _accepted = [];

    public bool IsOpen => channel.IsOpen;

    /// <summary>Accepts a delivery within some milliseconds, together with others: to a quorum queue each word costs more than several deliveries. Nobody waits for it, and a death before it means a copy, which the inbox tells.</summary>
    public ValueTask AcceptSoonAsync(ulong tag)
    {
        int count;
        lock (_lock)
        {
            _accepted.Add(tag);
            count = _accepted.Count;
        }
        if (count >= gathered)
            return FlushAsync();
        if (count == 1)
            _ = FlushLaterAsync();
        return ValueTask.CompletedTask;
    }

    /// <summary>Accepts what was to be accepted soon.</summary>
    public ValueTask FlushAsync()
    {
        List<ulong> tags;
        lock (_lock)
            (tags, _accepted) = (_accepted, []);
        return tags.Count == 0 ? ValueTask.CompletedTask : AcceptAsync(tags);
    }

    private async Task FlushLaterAsync()
    {
        await Task.Delay(Gathering).ConfigureAwait(false);
        await FlushAsync().ConfigureAwait(false);
    }

    /// <summary>Accepts deliveries. On a channel that was lost it does nothing.</summary>
    public ValueTask AcceptAsync(IReadOnlyList<ulong> tags) => InTurnAsync(async () =>
    {
        foreach (var tag in tags)
            _settled.Add(tag);
        while (_settled.Remove(_settledBelow))
            _settledBelow++;
        // All below are settled: its own, which this one word tells, and others, which the broker knows of.
        var together = tags.Where(t => t < _settledBelow).DefaultIfEmpty().Max();
        if (together > 0)
            await channel.BasicAckAsync(together, multiple: tags.Count > 1).ConfigureAwait(false);
        foreach (var tag in tags.Where(t => t >= _settledBelow))
            await channel.BasicAckAsync(tag, multiple: false).ConfigureAwait(false);
    });

    /// <summary>Puts a delivery back into its queue, or lets the broker move it to the dead-letter queue. On a channel that was lost it does nothing.</summary>
    public ValueTask GiveBackAsync(ulong tag, bool requeue) => InTurnAsync(async () =>
    {
        await channel.BasicNackAsync(tag, multiple: false, requeue).ConfigureAwait(false);
        _settled.Add(tag);
    });

    private async ValueTask InTurnAsync(Func<Task> settle)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (channel.IsOpen)
                await settle().ConfigureAwait(false);
        }
        catch (Exception exception) when (RabbitMqErrors.IsFromBroker(exception))
        {
            // The channel is gone, and with it the deliveries: the broker hands the messages out again.
        }
        finally
        {
            _turn.Release();
        }
    }
}

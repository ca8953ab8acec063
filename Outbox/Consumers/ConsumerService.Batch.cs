using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>Gathers what has arrived, has it applied in one transaction, and accepts it with one word.</summary>
internal sealed partial class ConsumerService
{
    /// <summary>Messages of one key that this worker has taken, in their order; one message, if it has no key.</summary>
    private sealed record Share(string? Key, List<IncomingMessage> Messages);

    private async Task FinishTogetherAsync(string? key, IncomingMessage first, CancellationToken stoppingToken)
    {
        var (shares, alone) = await GatherAsync(key, first, stoppingToken).ConfigureAwait(false);
        try
        {
            await FinishAsync(shares, stoppingToken).ConfigureAwait(false);
        }
        finally
        {
            // They own their keys, so they go back whatever happened.
            foreach (var (aloneKey, incoming) in alone)
                _work.Again(aloneKey, incoming);
        }
    }

    /// <summary>Takes what is ready, and what waits behind it under the same keys: the keys are this worker's until it gives them back.</summary>
    private async Task<(List<Share> Shares, List<(string? Key, IncomingMessage Incoming)> Alone)> GatherAsync(string? key, IncomingMessage first, CancellationToken stoppingToken)
    {
        var (shares, alone, count) = (new List<Share> { ShareOf(key, first) }, new List<(string?, IncomingMessage)>(), 1 + first.Following.Count);
        var until = time.GetTimestamp() + (long)(options.Linger.TotalSeconds * time.TimestampFrequency);
        do
        {
            while (count < options.BatchSize && _work.Ready.TryRead(out var next))
            {
                if (next.Item.IsAlone)
                {
                    alone.Add(next);
                    continue;
                }
                shares.Add(ShareOf(next.Key, next.Item));
                count += 1 + next.Item.Following.Count;
            }
        }
        while (count < options.BatchSize && await ComesMoreAsync(until, stoppingToken).ConfigureAwait(false));
        foreach (var share in shares.Where(s => s.Key is not null))
        {
            while (count < options.BatchSize && _work.TryTakeNext(share.Key!, out var next, static i => !i.IsAlone))
            {
                share.Messages.Add(next);
                count++;
            }
        }
        return (shares, alone);
    }

    /// <summary>A message, with the deferred ones of its key that were read with it.</summary>
    private static Share ShareOf(string? key, IncomingMessage first)
    {
        var share = new Share(key, [first, .. first.Following]);
        first.Following = [];
        return share;
    }

    private async Task<bool> ComesMoreAsync(long until, CancellationToken stoppingToken)
    {
        var left = time.GetElapsedTime(time.GetTimestamp(), until);
        if (left <= TimeSpan.Zero)
            return false;
        try
        {
            return await _work.Ready.WaitToReadAsync(stoppingToken).AsTask().WaitAsync(left, time, stoppingToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task FinishAsync(List<Share> shares, CancellationToken stoppingToken)
    {
        foreach (var share in shares)
            share.Messages.RemoveAll(m => m.Delivery.IsLost);
        var batch = shares.SelectMany(s => s.Messages).ToList();
        state.Together(batch.Count);
        IReadOnlyList<BatchResult> results;
        try
        {
            results = batch.Count == 0 ? [] : await processor.ApplyAsync(batch, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            // G8: nothing is counted. Which of them it is, if it is one of them, is found out one by one.
            if (SqlErrors.IsUnavailable(exception))
                await WaitOutOutageAsync(exception, stoppingToken).ConfigureAwait(false);
            Log.BatchFailed(logger, options.Name, batch.Count, MessageProcessor.ReasonOf(exception));
            foreach (var share in shares)
                OneByOne(share);
            return;
        }
        // G4: accept after commit. A crash in between brings the messages again; the inbox, the deferred messages or the dead letters know them.
        await AcceptTogetherAsync([.. results.Select(r => r.Incoming).Where(i => i.Row is null)]).ConfigureAwait(false);
        foreach (var result in results)
            Tell(result);
        var fates = results.ToDictionary(r => r.Incoming);
        foreach (var share in shares)
            await GiveBackAsync(share.Key, [.. share.Messages.Select(m => fates[m])], stoppingToken).ConfigureAwait(false);
    }

    private void OneByOne(Share share)
    {
        if (share.Messages.Count == 0)
        {
            _work.Done(share.Key);
            return;
        }
        foreach (var incoming in share.Messages)
            incoming.IsAlone = true;
        if (share.Key is not null)
            _work.PutBack(share.Key, [.. share.Messages.Skip(1)]);
        _work.Again(share.Key, share.Messages[0]);
    }

    /// <summary>Accepts deliveries whose fate is committed. An error is no failure of the messages: the broker delivers them again, and the inbox tells.</summary>
    private async Task AcceptTogetherAsync(IReadOnlyList<IncomingMessage> messages)
    {
        if (messages.Count == 0)
            return;
        try
        {
            await messages[0].Delivery.AcceptTogetherAsync([.. messages.Select(m => m.Delivery)]).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.NotAccepted(logger, exception, options.Name, messages.Count == 1 ? messages[0].ToString() : $"{messages.Count} messages");
        }
    }
}

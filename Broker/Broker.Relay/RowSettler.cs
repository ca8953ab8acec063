using Outbox.Diagnostics;

namespace Broker.Relay;

/// <summary>Stage 3, settling: takes rows out of the outbox, those that the broker has confirmed and those that leave it on another way, one batch at a time. Owned by one drainer; nothing here waits.</summary>
internal sealed class RowSettler(RelaySource source, IOutboxStore store, RowsAside aside, Pulse pulse, TimeProvider time, StepSignals steps, Action onSettled, CancellationToken aborted)
{
    private const int Size = 1_000;

    /// <summary>Confirmed rows wait so long for others: a statement for a thousand costs little more than one for ten.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly List<long> _confirmed = [];
    private IReadOnlyList<long> _batch = [];
    private Action? _onMoved;
    private bool _wasAside;
    private long _firstConfirmAt;

    /// <summary>The batch under way.</summary>
    public Task<bool>? Current { get; private set; }

    /// <summary>Whether anything is still to be taken out.</summary>
    public bool HasWork => _confirmed.Count > 0 || aside.HasMoves || Current is not null;

    /// <summary>When the next batch goes, full or not; null when none waits.</summary>
    public long? DueAt => Current is null && _confirmed.Count > 0 ? _firstConfirmAt + (long)(Patience.TotalSeconds * time.TimestampFrequency) : null;

    /// <summary>The broker has the row's message.</summary>
    public void Confirmed(OutboxRow row)
    {
        if (_confirmed.Count == 0)
            _firstConfirmAt = time.GetTimestamp();
        _confirmed.Add(row.Sequence);
    }

    /// <summary>Starts a batch if one is due.</summary>
    /// <param name="atOnce">Whether to wait for no more confirms.</param>
    public void Begin(bool atOnce)
    {
        if (Current is not null)
            return;
        // At full load there are always confirmed rows, and while many scheduled rows come back there are always those: they take turns.
        if ((!_wasAside || _confirmed.Count == 0) && aside.NextMove(isFree: _confirmed.Count == 0) is { } move)
        {
            (_batch, _onMoved, _wasAside) = (move.Sequences, move.Done, true);
            Run(() => MoveAsync(move));
            return;
        }
        _wasAside = false;
        if (_confirmed.Count == 0 || (!atOnce && _confirmed.Count < Size && time.GetElapsedTime(_firstConfirmAt) < Patience))
            return;
        var batch = _confirmed.GetRange(0, Math.Min(_confirmed.Count, Size));
        _confirmed.RemoveRange(0, batch.Count);
        (_batch, _onMoved) = (batch, null);
        Run(() => SettleAsync(batch));
        _firstConfirmAt = time.GetTimestamp();
    }

    private void Run(Func<Task<bool>> work)
    {
        Current = Task.Run(work, CancellationToken.None);
        pulse.SetAfter(Current);
    }

    /// <summary>Takes the end of a batch: the rows that are gone, and whether others came back above everything that was read. Null when there was none.</summary>
    /// <exception cref="LeaseLostException">The lease is in other hands; nothing was taken out (G5).</exception>
    public (IReadOnlyList<long> Gone, bool CameBack)? End()
    {
        if (Current is not { IsCompleted: true } settling)
            return null;
        Current = null;
        if (!settling.GetAwaiter().GetResult())
        {
            OutboxMetrics.RefusedSettles.Add(1, source.State.Source);
            throw new LeaseLostException();
        }
        onSettled();
        if (_onMoved is { } done)
            done();
        else
            OutboxMetrics.Settled.Add(_batch.Count, source.State.Source);
        return (_batch, _onMoved is not null && _batch.Count == 0);
    }

    private async Task<bool> SettleAsync(List<long> batch)
    {
        await steps.ReachedAsync("confirmed").ConfigureAwait(false);
        // G2: only confirmed rows come here. G5: the delete checks the fencing token itself.
        var began = time.GetTimestamp();
        var held = await store.SettleAsync(batch, aborted).ConfigureAwait(false);
        OutboxMetrics.DatabaseDuration.Record(time.GetElapsedTime(began).TotalSeconds, source.State.Source, new("operation", "settle"));
        OutboxMetrics.RelayBatchSize.Record(batch.Count, source.State.Source, new("operation", "settle"));
        await steps.ReachedAsync("settled").ConfigureAwait(false);
        return held;
    }

    private async Task<bool> MoveAsync(RowsAside.Move move)
    {
        await steps.ReachedAsync("moving").ConfigureAwait(false);
        var held = await move.RunAsync(aborted).ConfigureAwait(false);
        await steps.ReachedAsync("moved").ConfigureAwait(false);
        return held;
    }
}

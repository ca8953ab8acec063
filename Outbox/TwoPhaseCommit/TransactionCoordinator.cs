using System.Threading.Channels;
using System.Transactions;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>Begins transactions over several databases: all of them commit, or none. Thread-safe.</summary>
/// <remarks>
/// Presumed abort: nothing is written before the decision, and a transaction without one is rolled back after its deadline by whoever finds a branch of it.
/// See J. Gray and A. Reuter, "Transaction Processing", and docs/consistency.md for when to use it: its participants hold their locks until the slowest has answered.
/// </remarks>
public sealed class TransactionCoordinator : IAsyncDisposable, IDisposable
{
    private const int MostAtOnce = 200;
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    private readonly Coordination _coordination;
    private readonly IServiceProvider? _services;
    private readonly Action _committed;
    private readonly Channel<Decision> _finished = Channel.CreateBounded<Decision>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private readonly Task _finishing;

    internal TransactionCoordinator(Coordination coordination, IServiceProvider? services, Action? committed = null)
    {
        (_coordination, _services, _committed) = (coordination, services, committed ?? (() => { }));
        _finishing = Task.Run(FinishAsync);
    }

    /// <summary>Its name, which all nodes of the service share.</summary>
    public string Name => _coordination.Name;

    internal Coordination Coordination => _coordination;

    /// <summary>Begins a transaction. It holds nothing until a participant is enlisted.</summary>
    /// <param name="timeout">After that time, counted from now, it can no longer commit, and anyone may roll it back. From a second to an hour.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidOperationException">There is an ambient <see cref="Transaction.Current"/>.</exception>
    /// <exception cref="System.Data.Common.DbException">Where the decisions are kept does not answer.</exception>
    public async Task<CoordinatedTransaction> BeginAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        RefuseAmbient();
        if (timeout < TimeSpan.FromSeconds(1) || timeout > TimeSpan.FromHours(1))
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "A transaction over several databases takes from a second to an hour.");
        var (origin, incarnation, now) = await _coordination.LookAsync(cancellationToken).ConfigureAwait(false);
        return new CoordinatedTransaction(this, _services, TransactionId.New(_coordination.Name, origin, incarnation, now + timeout), timeout);
    }

    /// <summary>What has become of a transaction whose outcome was <see cref="TransactionOutcome.InDoubt"/>; null as long as it is not decided.</summary>
    /// <param name="transactionId">Its id.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<TransactionOutcome?> FindOutcomeAsync(string transactionId, CancellationToken cancellationToken = default)
    {
        if (!TransactionId.TryParse(transactionId, out var id) || id.Coordinator != Name)
            throw new ArgumentException($"'{transactionId}' is no transaction of coordinator '{Name}'.", nameof(transactionId));
        return await _coordination.Store.FindAsync(id, cancellationToken).ConfigureAwait(false) is not { } decision ? null
            : decision.IsCommit ? new TransactionOutcome.Committed(transactionId, []) : new TransactionOutcome.RolledBack(transactionId, decision.Reason ?? "");
    }

    /// <summary>Records what is finished, for a moment at most.</summary>
    public async ValueTask DisposeAsync()
    {
        _finished.Writer.TryComplete();
        await _finishing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        (_coordination.Store as IDisposable)?.Dispose();
    }

    /// <summary>As <see cref="DisposeAsync"/>, for containers that are disposed of at once.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    internal static void RefuseAmbient()
    {
        if (Transaction.Current is not null)
        {
            throw new InvalidOperationException(
                "There is an ambient transaction (Transaction.Current), which this coordinator cannot take part in and which the drivers do not carry through a crash. "
                + "Leave its TransactionScope first, or suppress it: new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled).");
        }
    }

    /// <summary>All branches of a transaction have followed its decision.</summary>
    internal void Finished(Decision decision) => _finished.Writer.TryWrite(decision);

    /// <summary>Wakes the relays of this process.</summary>
    internal void Committed() => _committed();

    /// <summary>Many transactions in one write. What is lost here, when the process dies or the database is away, recovery finds out by the markers.</summary>
    private async Task FinishAsync()
    {
        var batch = new List<Decision>();
        while (await _finished.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (!_finished.Reader.Completion.IsCompleted && _finished.Reader.Count < MostAtOnce)
                await Task.WhenAny(Task.Delay(Gathering, _coordination.Time), _finished.Reader.Completion).ConfigureAwait(false);
            batch.Clear();
            while (batch.Count < MostAtOnce && _finished.Reader.TryRead(out var decision))
                batch.Add(decision);
            try
            {
                using var limit = new CancellationTokenSource(_coordination.Options.Patience, _coordination.Time);
                await _coordination.Store.FinishAsync(batch, limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Log.NotRecorded(_coordination.Logger, Name, batch.Count, SqlErrors.TextOf(exception));
            }
        }
    }
}

using System.Data;
using System.Data.Common;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>A transaction over several databases. Not thread-safe. Disposing it before <see cref="CommitAsync"/> rolls it back.</summary>
/// <remarks>
/// What a crash between any two steps leaves behind: before the first vote, nothing; between the first vote and the decision, prepared branches that are rolled back after the deadline;
/// after the decision, prepared branches that follow it as soon as recovery finds them. A reply that is lost is asked for again, where the decision is kept.
/// </remarks>
public sealed class CoordinatedTransaction : IAsyncDisposable
{
    private readonly TransactionCoordinator _coordinator;
    private readonly Coordination _coordination;
    private readonly IServiceProvider? _services;
    private readonly List<(EnlistedParticipant Participant, Branch Branch)> _enlisted = [];
    private readonly TransactionId _id;
    private readonly TimeSpan _timeout;
    private readonly long _begun;
    private bool _isOver;
    private bool _isAbandoned;

    internal CoordinatedTransaction(TransactionCoordinator coordinator, IServiceProvider? services, TransactionId id, TimeSpan timeout)
    {
        (_coordinator, _coordination, _services, _id, _timeout) = (coordinator, coordinator.Coordination, services, id, timeout);
        _begun = _coordination.Time.GetTimestamp();
    }

    /// <summary>Its id, as each participant keeps it, as <c>broker in-doubt show</c> and the dashboard name it.</summary>
    public string Id => _id.ToString();

    private IEnumerable<Branch> Branches => _enlisted.Select(e => e.Branch);

    private TimeSpan Taken => _coordination.Time.GetElapsedTime(_begun);

    private TimeSpan Left => _timeout - Taken;

    /// <summary>Takes a participant into the transaction: opens a connection and begins.</summary>
    /// <param name="participant">Its name, as it was registered.</param>
    /// <param name="isolationLevel">The isolation level of its part; the engine's default if none is given.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The participant; the same if it is enlisted already.</returns>
    /// <exception cref="InvalidOperationException">There is an ambient transaction, or this one is over.</exception>
    /// <exception cref="OutboxConfigurationException">There is no such participant.</exception>
    /// <exception cref="TimeoutException">The deadline has passed.</exception>
    /// <exception cref="DbException">Its database does not answer. The transaction can go on without it.</exception>
    public async Task<EnlistedParticipant> EnlistAsync(string participant, IsolationLevel isolationLevel = IsolationLevel.Unspecified, CancellationToken cancellationToken = default)
    {
        TransactionCoordinator.RefuseAmbient();
        CheckIsOpen();
        if (_enlisted.FirstOrDefault(e => e.Branch.Name == participant).Participant is { } enlisted)
            return enlisted;
        var known = _coordination.Find(participant) ?? throw new OutboxConfigurationException(
            $"Coordinator '{_coordination.Name}' has no participant '{participant}'. It has: {string.Join(", ", _coordination.Participants.Select(p => p.Name))}. Add it with AddParticipant(\"{participant}\", …).");
        await ReachAsync("before-enlist", participant).ConfigureAwait(false);
        using var limit = Limit(Left, cancellationToken);
        try
        {
            var branch = await Branch.BeginAsync(known, _id, isolationLevel, limit.Token).ConfigureAwait(false);
            _enlisted.Add((new EnlistedParticipant(branch, _services), branch));
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"Participant '{participant}' was not enlisted within the {_timeout} of transaction {Id}.", exception);
        }
        await ReachAsync("after-enlist", participant).ConfigureAwait(false);
        return _enlisted[^1].Participant;
    }

    /// <summary>Asks every participant whether it can commit, decides, and has them follow.</summary>
    /// <param name="cancellationToken">Before the decision, rolls it back; after it, ends the wait for participants that are slow to follow.</param>
    /// <returns>How it ended. What fails on the way, a lost connection included, is such an outcome and no exception.</returns>
    /// <exception cref="InvalidOperationException">There is an ambient transaction, or this one is over.</exception>
    public async Task<TransactionOutcome> CommitAsync(CancellationToken cancellationToken = default)
    {
        TransactionCoordinator.RefuseAmbient();
        CheckIsOpen();
        _isOver = true;
        await ReachAsync("after-work").ConfigureAwait(false);
        if (_enlisted.Count == 0)
            return new TransactionOutcome.Committed(Id, []);
        var outcome = await CompleteAsync(cancellationToken).ConfigureAwait(false);
        TransactionTelemetry.Ended(_coordination.Name, outcome, Taken);
        return outcome;
    }

    private async Task<TransactionOutcome> CompleteAsync(CancellationToken cancellationToken)
    {
        foreach (var (participant, _) in _enlisted)
            await participant.EndAsync().ConfigureAwait(false);
        var votes = await VoteAsync(cancellationToken).ConfigureAwait(false);
        if (votes.FirstOrDefault(v => v.Vote != BranchRecord.Yes) is { } refusal)
            return await AbortAsync(votes, $"participant '{refusal.Name}' could not prepare: {refusal.Why}", cancellationToken).ConfigureAwait(false);
        if (cancellationToken.IsCancellationRequested)
            return await AbortAsync(votes, "it was cancelled", CancellationToken.None).ConfigureAwait(false);
        if (Left <= TimeSpan.Zero)
            return await AbortAsync(votes, $"its time of {_timeout} was over before all had voted", cancellationToken).ConfigureAwait(false);
        await ReachAsync("before-decision").ConfigureAwait(false);
        // G9: from here on nothing is undone and nothing committed but by what is written under the transaction's id.
        var (decision, doubt) = await DecideAsync(new Decision(_id, IsCommit: true, null, _coordination.Self, votes)).ConfigureAwait(false);
        if (decision is null)
            return await DoubtAsync(doubt!).ConfigureAwait(false);
        await ReachAsync("after-decision").ConfigureAwait(false);
        if (!decision.IsCommit)
        {
            await RollBackAsync(decision).ConfigureAwait(false);
            return new TransactionOutcome.RolledBack(Id, decision.Reason ?? "");
        }
        var left = await FollowAsync(decision, cancellationToken).ConfigureAwait(false);
        if (left.Count == 0)
            _coordinator.Finished(decision);
        _coordinator.Committed();
        return new TransactionOutcome.Committed(Id, left);
    }

    /// <summary>Rolls it back. Nothing of it remains.</summary>
    /// <param name="cancellationToken">Ends the wait; what is not rolled back by then ends with its connection.</param>
    public async Task RollbackAsync(CancellationToken cancellationToken = default)
    {
        CheckIsOpen();
        _isOver = true;
        await RollBackWorkAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Rolls it back if it was not committed, and gives its connections back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_isOver)
        {
            _isOver = true;
            if (!_isAbandoned)
                await RollBackWorkAsync(CancellationToken.None).ConfigureAwait(false);
        }
        foreach (var (participant, branch) in _enlisted)
        {
            await participant.EndAsync().ConfigureAwait(false);
            await branch.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task RollBackWorkAsync(CancellationToken cancellationToken)
    {
        using var limit = Limit(_coordination.Options.Patience, cancellationToken);
        foreach (var (participant, branch) in _enlisted)
        {
            await participant.EndAsync().ConfigureAwait(false);
            try
            {
                await branch.RollbackAsync(limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (IsOfParticipant(exception))
            {
                // What was never prepared ends with its session.
                await branch.AbandonAsync().ConfigureAwait(false);
            }
        }
        if (_enlisted.Count > 0)
            TransactionTelemetry.Ended(_coordination.Name, Decision.RolledBack, Taken);
    }

    /// <summary>The first phase. All are asked at once; none has to be asked twice.</summary>
    private async Task<IReadOnlyList<BranchRecord>> VoteAsync(CancellationToken cancellationToken)
    {
        using var limit = Limit(Left, cancellationToken);
        var votes = await Task.WhenAll(Branches.Where(b => b.Participant.Prepares).Select(VoteOfAsync)).ConfigureAwait(false);
        // The last resource votes by committing.
        return [.. votes, .. Branches.Where(b => !b.Participant.Prepares).Select(b => new BranchRecord(b.Name, BranchRecord.Yes))];

        async Task<BranchRecord> VoteOfAsync(Branch branch)
        {
            await ReachAsync("before-prepare", branch.Name).ConfigureAwait(false);
            BranchRecord vote;
            try
            {
                vote = await branch.PrepareAsync(limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (IsOfParticipant(exception))
            {
                // A statement that was refused has an answer; a connection that broke has none, and the branch may be prepared.
                var refused = exception is DbException && !SqlErrors.IsUnavailable(exception);
                var why = exception is OperationCanceledException ? cancellationToken.IsCancellationRequested ? "it was cancelled" : "no answer came in time" : SqlErrors.TextOf(exception);
                vote = new BranchRecord(branch.Name, refused ? BranchRecord.No : BranchRecord.Unknown, why);
            }
            await ReachAsync("after-prepare", branch.Name).ConfigureAwait(false);
            return vote;
        }
    }

    /// <summary>Writes the decision, and asks for it as long as the reply is lost. Null if nothing answers for too long.</summary>
    private async Task<(Decision? Decision, string? Doubt)> DecideAsync(Decision proposal)
    {
        using var limit = Limit(_coordination.Options.Patience, CancellationToken.None);
        var lastResource = Branches.OfType<LastResourceBranch>().FirstOrDefault();
        var error = "";
        if (lastResource is not null)
        {
            try
            {
                await lastResource.DecideAsync((DatabaseDecisionStore)_coordination.Store, proposal, () => ReachAsync("before-commit", lastResource.Name), limit.Token).ConfigureAwait(false);
                await ReachAsync("after-commit", lastResource.Name).ConfigureAwait(false);
                return (proposal, null);
            }
            catch (Exception exception) when (IsOfParticipant(exception))
            {
                // Committed or not: whoever writes next under the same key waits for its end and finds out. If it is not there by then, it never will be.
                error = SqlErrors.TextOf(exception);
                proposal = proposal with { IsCommit = false, Reason = $"the commit of '{lastResource.Name}' failed: {error}" };
                await lastResource.AbandonAsync().ConfigureAwait(false);
            }
        }
        for (var wait = TimeSpan.FromMilliseconds(50); ; wait *= 2)
        {
            try
            {
                return (await _coordination.Store.DecideAsync(proposal, limit.Token).ConfigureAwait(false), null);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                if (limit.IsCancellationRequested)
                    return (null, error.Length > 0 ? error : SqlErrors.TextOf(exception));
                error = SqlErrors.TextOf(exception);
                await Task.Delay(wait, _coordination.Time, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<TransactionOutcome> AbortAsync(IReadOnlyList<BranchRecord> votes, string reason, CancellationToken cancellationToken)
    {
        // The last resource first: it may hold what the decision is waiting for.
        foreach (var branch in Branches.OfType<LastResourceBranch>())
            await TryRollBackAsync(branch, "rollback", cancellationToken).ConfigureAwait(false);
        // Not needed for safety, since nobody else proposes to commit: so that a late branch is rolled back at once and not at the deadline, and for the shares on the dashboard.
        var decision = new Decision(_id, IsCommit: false, reason, _coordination.Self, votes);
        try
        {
            using var limit = Limit(TimeSpan.FromSeconds(2), CancellationToken.None);
            decision = await _coordination.Store.DecideAsync(decision, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Log.NotRecorded(_coordination.Logger, _coordination.Name, 1, SqlErrors.TextOf(exception));
        }
        if (decision.IsCommit)
            return await DoubtAsync($"{decision.DecidedBy} has decided by hand to commit it, but {reason}").ConfigureAwait(false);
        await RollBackAsync(decision with { Branches = votes }).ConfigureAwait(false);
        return new TransactionOutcome.RolledBack(Id, decision.Reason ?? reason);
    }

    private async Task RollBackAsync(Decision decision)
    {
        var all = await Task.WhenAll(Branches.Select(async branch =>
        {
            await ReachAsync("before-rollback", branch.Name).ConfigureAwait(false);
            var isDone = await TryRollBackAsync(branch, decision.Word, CancellationToken.None).ConfigureAwait(false);
            await ReachAsync("after-rollback", branch.Name).ConfigureAwait(false);
            return isDone;
        })).ConfigureAwait(false);
        // A vote that never came may still be on its way, so recovery looks once more.
        if (all.All(done => done) && decision.Branches.All(b => b.Vote != BranchRecord.Unknown))
            _coordinator.Finished(decision);
    }

    private async Task<bool> TryRollBackAsync(Branch branch, string decision, CancellationToken cancellationToken)
    {
        try
        {
            using var limit = Limit(_coordination.Options.Patience, cancellationToken);
            await branch.RollbackAsync(limit.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (IsOfParticipant(exception))
        {
            Log.BranchLeft(_coordination.Logger, branch.Name, Id, decision, SqlErrors.TextOf(exception));
            await branch.AbandonAsync().ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>The second phase. Returns those that could not follow yet.</summary>
    private async Task<IReadOnlyList<string>> FollowAsync(Decision decision, CancellationToken cancellationToken)
    {
        using var limit = Limit(_coordination.Options.Patience, cancellationToken);
        var all = await Task.WhenAll(Branches.Where(b => b.Participant.Prepares).Select(async branch =>
        {
            await ReachAsync("before-commit", branch.Name).ConfigureAwait(false);
            try
            {
                await branch.CommitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (IsOfParticipant(exception))
            {
                Log.BranchLeft(_coordination.Logger, branch.Name, Id, decision.Word, SqlErrors.TextOf(exception));
                await branch.AbandonAsync().ConfigureAwait(false);
                return branch.Name;
            }
            await ReachAsync("after-commit", branch.Name).ConfigureAwait(false);
            return null;
        })).ConfigureAwait(false);
        return [.. all.OfType<string>()];
    }

    private async Task<TransactionOutcome> DoubtAsync(string why)
    {
        Log.InDoubt(_coordination.Logger, Id, why);
        // Whoever recovers must find the branches free.
        foreach (var branch in Branches)
            await branch.AbandonAsync().ConfigureAwait(false);
        return new TransactionOutcome.InDoubt(Id, why);
    }

    private static bool IsOfParticipant(Exception exception) => exception is DbException or OperationCanceledException or InvalidOperationException || SqlErrors.IsUnavailable(exception);

    private static CancellationTokenSource Limit(TimeSpan time, CancellationToken cancellationToken)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(time > TimeSpan.Zero ? time : TimeSpan.Zero);
        return limit;
    }

    private void CheckIsOpen()
    {
        if (_isOver || _isAbandoned)
            throw new InvalidOperationException($"Transaction {Id} is over. Begin another one.");
    }

    private async ValueTask ReachAsync(string step, string? participant = null)
    {
        if (_coordination.Options.Reached is not { } reached)
            return;
        try
        {
            await reached(new TransactionStep(step, participant)).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _isAbandoned = true;
            throw new CoordinatorDiedException(exception);
        }
    }
}

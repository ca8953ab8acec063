using System.Collections.Concurrent;
using System.Data.Common;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>Finishes what coordinators have left behind: branches that are prepared and whose transaction is decided, or is past its deadline. Any process may run it, also several at once.</summary>
/// <remarks>
/// G9: it decides nothing but "roll back", by the same insert under the same key as everybody, and only after the deadline; it never guesses. What it has seen to happen it believes by the marker rows only:
/// on MariaDB an <c>XA COMMIT</c> can answer OK and commit nothing, and "unknown XID" means both "already committed" and "bound to a session that lives".
/// A crash between any two steps changes nothing: each step is found again as it was, or done.
/// </remarks>
internal sealed class TransactionRecovery(Coordination coordination)
{
    private const int MostAtOnce = 500;

    /// <summary>For one question to one participant. Who does not answer is left for the next look, so that the others are finished all the same (G7).</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>A decision is left to its own coordinator for so long.</summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private readonly HashSet<TransactionId> _told = [];
    private readonly HashSet<string> _silent = [];
    private readonly Dictionary<TransactionId, IReadOnlyList<BranchRecord>> _waiting = [];
    private readonly OldestPrepared _oldest = new(coordination.Time);

    /// <summary>How long the oldest branch has been prepared, by the last look; null before the first. Thread-safe.</summary>
    public TimeSpan? OldestPrepared => _oldest.Age;

    /// <summary>What a look has found.</summary>
    /// <param name="Finished">Branches that were finished.</param>
    /// <param name="Settled">Transactions of which all branches are known to have followed, or not.</param>
    /// <param name="Waiting">Branches that are prepared and not decided, before their deadline.</param>
    /// <param name="Lost">Transactions that only a person can decide.</param>
    /// <param name="Unreachable">Participants that did not answer.</param>
    internal sealed record Report(int Finished, int Settled, int Waiting, IReadOnlyList<TransactionId> Lost, IReadOnlyList<string> Unreachable);

    /// <summary>Looks at every participant once.</summary>
    public async Task<Report> RunAsync(CancellationToken cancellationToken)
    {
        // Not from memory: after a restore the old incarnation would take a lost decision for none.
        var (origin, incarnation, now) = await coordination.Store.LookAsync(cancellationToken).ConfigureAwait(false);
        var unreachable = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        var prepared = await Task.WhenAll(coordination.Participants.Where(p => p.Prepares).Select(p => ListAsync(p, unreachable, cancellationToken))).ConfigureAwait(false);
        _oldest.Take([.. prepared.SelectMany(b => b)], unreachable.ContainsKey);
        var (waiting, lost, decided) = (0, new List<TransactionId>(), new List<(PreparedBranch Branch, Decision Decision)>());
        foreach (var branches in prepared.SelectMany(b => b).GroupBy(b => b.Id))
        {
            if (branches.Key.Origin != origin)
            {
                // Its decision is in another database.
                if (_told.Add(branches.Key))
                    Log.OfAnother(coordination.Logger, branches.Key.ToString(), coordination.Name, branches.First().Participant.Name);
                continue;
            }
            var decision = await coordination.Store.FindAsync(branches.Key, cancellationToken).ConfigureAwait(false);
            if (decision is null && branches.Key.Incarnation != incarnation)
            {
                // It may have been decided before the restore. If one branch has committed, it was.
                decision = await FromEvidenceAsync(branches.Key, [.. branches], cancellationToken).ConfigureAwait(false);
                if (decision is null)
                {
                    lost.Add(branches.Key);
                    if (_told.Add(branches.Key))
                        Log.DecisionLost(coordination.Logger, branches.Key.ToString(), coordination.Name);
                    continue;
                }
            }
            if (decision is null && now < branches.Key.Deadline)
            {
                waiting += branches.Count();
                _waiting[branches.Key] = [.. branches.Select(b => new BranchRecord(b.Participant.Name, BranchRecord.Yes))];
                continue;
            }
            _waiting.Remove(branches.Key);
            decision ??= await coordination.Store.DecideAsync(
                new Decision(branches.Key, IsCommit: false, "its deadline had passed without a decision", coordination.Self, [.. branches.Select(b => new BranchRecord(b.Participant.Name, BranchRecord.Yes))]), cancellationToken).ConfigureAwait(false);
            if (decision.DecidedAt != default && now - decision.DecidedAt < Grace && now < branches.Key.Deadline)
            {
                waiting += branches.Count();
                continue;
            }
            decided.AddRange(branches.Select(branch => (branch, decision)));
        }
        // Seen to wait, and gone without a decision: its coordinator has rolled it back, or a person has finished it by hand. It is decided now, so that its markers are looked at.
        foreach (var (id, branches) in _waiting.Where(w => w.Key.Deadline <= now).ToList())
        {
            await coordination.Store.DecideAsync(new Decision(id, IsCommit: false, "its deadline had passed without a decision", coordination.Self, branches), cancellationToken).ConfigureAwait(false);
            _waiting.Remove(id);
        }
        var finished = (await Task.WhenAll(decided.GroupBy(d => d.Branch.Participant).Select(async own =>
        {
            var count = 0;
            foreach (var (branch, decision) in own)
                count += await FinishAsync(branch, decision, unreachable, cancellationToken).ConfigureAwait(false) ? 1 : 0;
            return count;
        })).ConfigureAwait(false)).Sum();
        var settled = 0;
        // A branch that was lost has come to light again: MariaDB brings one back with a restart.
        foreach (var (_, decision) in decided.Where(d => d.Decision.Outcome == Decision.Heuristic))
            settled += await SettleAsync(decision, unreachable, cancellationToken).ConfigureAwait(false) ? 1 : 0;
        foreach (var decision in await coordination.Store.ListUnfinishedAsync(Grace, MostAtOnce, cancellationToken).ConfigureAwait(false))
            settled += await SettleAsync(decision, unreachable, cancellationToken).ConfigureAwait(false) ? 1 : 0;
        TellSilent(unreachable);
        return new Report(finished, settled, waiting, lost, [.. unreachable.Keys]);
    }

    /// <summary>What is known of each branch of a transaction now: <see cref="Decision.Committed"/>, <see cref="Decision.RolledBack"/>, "prepared", or null if its participant does not answer.</summary>
    public async Task<IReadOnlyList<(string Participant, string? State)>> LookAtAsync(TransactionId id, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        var found = new List<(string, string?)>();
        foreach (var name in names)
            found.Add((name, coordination.Find(name) is { } participant ? await StateAsync(participant, id, new ConcurrentDictionary<string, string>(), cancellationToken).ConfigureAwait(false) : null));
        return found;
    }

    /// <summary>Finishes a prepared branch as it was decided. False if that has to be tried again.</summary>
    internal async Task<bool> FinishAsync(PreparedBranch branch, Decision decision, ConcurrentDictionary<string, string> unreachable, CancellationToken cancellationToken)
    {
        var (participant, statements) = (branch.Participant, branch.Participant.Dialect.Branches!);
        if (unreachable.ContainsKey(participant.Name))
            return false;
        try
        {
            using var limit = Limit(cancellationToken);
            var connection = await participant.DataSource.OpenConnectionAsync(limit.Token).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            await connection.Command(decision.IsCommit ? statements.Commit(branch.Id, participant.Name) : statements.Rollback(branch.Id, participant.Name)).ExecuteAsync(limit.Token).ConfigureAwait(false);
            Log.BranchRecovered(coordination.Logger, coordination.Name, branch.Id.ToString(), participant.Name, decision.Word);
            TransactionTelemetry.Recovered(coordination.Name, decision);
            return true;
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // Finished at this moment, or bound to a session that lives: the next look tells.
            return false;
        }
        catch (Exception exception) when (IsSilence(exception, cancellationToken))
        {
            unreachable.TryAdd(participant.Name, SqlErrors.TextOf(exception));
            return false;
        }
    }

    /// <summary>Finds out whether all branches of a decided transaction have followed. False as long as one has not, or cannot be asked.</summary>
    private async Task<bool> SettleAsync(Decision decision, ConcurrentDictionary<string, string> unreachable, CancellationToken cancellationToken)
    {
        // Who is missing in the list of one that was not to commit may have been finished by hand all the same.
        var names = decision.Branches.Select(b => b.Name).Union(decision.IsCommit ? [] : coordination.Participants.Select(p => p.Name)).ToList();
        var states = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (coordination.Find(name) is not { } participant || await StateAsync(participant, decision.Id, unreachable, cancellationToken).ConfigureAwait(false) is not { } state || state == Prepared)
                return false;
            states[name] = state;
        }
        if (states.Values.All(state => state == decision.Expected))
        {
            await coordination.Store.FinishAsync([decision], cancellationToken).ConfigureAwait(false);
            return true;
        }
        var branches = names.Where(name => decision.Branches.Any(b => b.Name == name) || states[name] != decision.Expected)
            .Select(name => (decision.Branches.FirstOrDefault(b => b.Name == name) ?? new BranchRecord(name, BranchRecord.Unknown)) with { Found = states[name] }).ToList();
        await coordination.Store.RecordAsync(decision, Decision.Heuristic, branches, cancellationToken).ConfigureAwait(false);
        var evidence = string.Join(", ", branches.Where(b => b.Found != decision.Expected).Select(b => $"'{b.Name}' has {(b.Found == Decision.Committed ? "its marker row and so has committed" : "no marker row and nothing prepared and so has not committed")}"));
        Log.Heuristic(coordination.Logger, decision.Id.ToString(), coordination.Name, decision.Word, evidence);
        TransactionTelemetry.Heuristic(coordination.Name);
        return true;
    }

    internal const string Prepared = "prepared";

    /// <summary>The marker tells; without one, whether the branch still waits. And the marker once more, which may have come between.</summary>
    private async Task<string?> StateAsync(Participant participant, TransactionId id, ConcurrentDictionary<string, string> unreachable, CancellationToken cancellationToken)
    {
        if (unreachable.ContainsKey(participant.Name))
            return null;
        try
        {
            using var limit = Limit(cancellationToken);
            var connection = await participant.DataSource.OpenConnectionAsync(limit.Token).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            if (await participant.HasMarkerAsync(connection, id, limit.Token).ConfigureAwait(false))
                return Decision.Committed;
            if (!participant.Prepares)
                return Decision.RolledBack;
            if ((await participant.ListPreparedAsync(connection, coordination.Name, limit.Token).ConfigureAwait(false)).Any(b => b.Id == id))
                return Prepared;
            return await participant.HasMarkerAsync(connection, id, limit.Token).ConfigureAwait(false) ? Decision.Committed : Decision.RolledBack;
        }
        catch (Exception exception) when (IsSilence(exception, cancellationToken))
        {
            unreachable.TryAdd(participant.Name, SqlErrors.TextOf(exception));
            return null;
        }
    }

    private async Task<Decision?> FromEvidenceAsync(TransactionId id, IReadOnlyList<PreparedBranch> branches, CancellationToken cancellationToken)
    {
        var states = await LookAtAsync(id, coordination.Participants.Select(p => p.Name), cancellationToken).ConfigureAwait(false);
        if (states.FirstOrDefault(s => s.State == Decision.Committed).Participant is not { } committed)
            return null;
        var records = states.Where(s => s.State == Decision.Committed || branches.Any(b => b.Participant.Name == s.Participant)).Select(s => new BranchRecord(s.Participant, BranchRecord.Yes)).ToList();
        return await coordination.Store.DecideAsync(new Decision(id, IsCommit: true, $"the decision was lost by a restore, but '{committed}' had committed", coordination.Self, records), cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<PreparedBranch>> ListAsync(Participant participant, ConcurrentDictionary<string, string> unreachable, CancellationToken cancellationToken)
    {
        try
        {
            using var limit = Limit(cancellationToken);
            return await participant.ListPreparedAsync(coordination.Name, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsSilence(exception, cancellationToken))
        {
            unreachable.TryAdd(participant.Name, SqlErrors.TextOf(exception));
            return [];
        }
    }

    private static bool IsSilence(Exception exception, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested && (exception is OperationCanceledException || SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception));

    private static CancellationTokenSource Limit(CancellationToken cancellationToken)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        return limit;
    }

    /// <summary>Says it once, not with every look.</summary>
    private void TellSilent(ConcurrentDictionary<string, string> unreachable)
    {
        _silent.IntersectWith(unreachable.Keys);
        foreach (var (participant, error) in unreachable.Where(u => _silent.Add(u.Key)))
            Log.RecoveryFailed(coordination.Logger, coordination.Name, participant, error);
    }
}

namespace Outbox.TwoPhaseCommit;

/// <summary>What an operator sees and does with the transactions of a coordinator.</summary>
internal sealed class InDoubtDesk(Coordination coordination)
{
    private const int Most = 1_000;

    private readonly TransactionRecovery _recovery = new(coordination);

    /// <summary>What has not ended, or not well; the oldest deadline first. And the participants that do not answer.</summary>
    public async Task<(IReadOnlyList<InDoubtTransaction> Transactions, IReadOnlyList<string> Unreachable)> ListAsync(CancellationToken cancellationToken)
    {
        var (origin, incarnation, now) = await coordination.Store.LookAsync(cancellationToken).ConfigureAwait(false);
        var unreachable = new List<string>();
        var prepared = (await Task.WhenAll(coordination.Participants.Where(p => p.Prepares).Select(p => ListPreparedAsync(p, unreachable, cancellationToken))).ConfigureAwait(false)).SelectMany(b => b).ToLookup(b => b.Id);
        var decided = (await coordination.Store.ListUnfinishedAsync(TransactionRecovery.Grace, Most, cancellationToken).ConfigureAwait(false)).ToDictionary(d => d.Id);
        var found = new List<InDoubtTransaction>();
        foreach (var branches in prepared)
        {
            var decision = decided.GetValueOrDefault(branches.Key) ?? await coordination.Store.FindAsync(branches.Key, cancellationToken).ConfigureAwait(false);
            var state = StateOf(branches.Key, decision, origin, incarnation, now);
            found.Add(Describe(branches.Key, state, decision, [.. branches]));
        }
        found.AddRange(decided.Values.Where(d => !prepared.Contains(d.Id)).Select(d => Describe(d.Id, InDoubtTransaction.Finishing, d, [])));
        found.AddRange((await coordination.Store.ListAsync(onlyHeuristic: true, Most, cancellationToken).ConfigureAwait(false)).Select(d => Describe(d.Id, Decision.Heuristic, d, [.. prepared[d.Id]])));
        return ([.. found.OrderBy(t => t.Id.Deadline)], [.. unreachable]);
    }

    /// <summary>All that is known of one transaction, asked of every participant now; null if nobody knows of it.</summary>
    public async Task<InDoubtTransaction?> ShowAsync(TransactionId id, CancellationToken cancellationToken)
    {
        var (origin, incarnation, now) = await coordination.Store.LookAsync(cancellationToken).ConfigureAwait(false);
        var decision = await coordination.Store.FindAsync(id, cancellationToken).ConfigureAwait(false);
        var states = await _recovery.LookAtAsync(id, coordination.Participants.Select(p => p.Name), cancellationToken).ConfigureAwait(false);
        var isPrepared = states.Any(s => s.State == TransactionRecovery.Prepared);
        if (decision is null && !isPrepared && states.All(s => s.State != Decision.Committed))
            return null;
        var state = decision?.Outcome ?? StateOf(id, decision, origin, incarnation, now);
        var branches = states
            .Where(s => s.State is not Decision.RolledBack || decision is null || decision.Branches.Any(b => b.Name == s.Participant))
            .Select(s => new InDoubtTransaction.Branch(s.Participant, decision?.Branches.FirstOrDefault(b => b.Name == s.Participant)?.Vote ?? (s.State == TransactionRecovery.Prepared ? BranchRecord.Yes : null), s.State)).ToList();
        return new InDoubtTransaction(id, state, decision, branches, null);
    }

    /// <summary>Decides for a coordinator that will not, and has the branches follow.</summary>
    /// <exception cref="OutboxConfigurationException">It is decided otherwise, its coordinator still has time, or nobody knows of it. Nothing was done.</exception>
    public async Task<InDoubtTransaction> DecideAsync(TransactionId id, bool commit, string actor, string reason, CancellationToken cancellationToken)
    {
        var word = commit ? "commit" : "rollback";
        var known = await ShowAsync(id, cancellationToken).ConfigureAwait(false) ?? throw new OutboxConfigurationException($"Coordinator '{coordination.Name}' knows no transaction {id}: nothing is decided, prepared or committed under that id. List them with 'broker in-doubt list'.");
        if (known.Decision is { } decided && decided.IsCommit != commit)
            throw new OutboxConfigurationException($"Transaction {id} is decided: {decided.Word}, by {decided.DecidedBy} at {decided.DecidedAt:u}. A decision cannot be changed; recovery has the branches follow it.");
        if (known.State == InDoubtTransaction.OfAnother)
            throw new OutboxConfigurationException($"Transaction {id} is of another coordinator '{coordination.Name}', whose decisions are not in {coordination.Store.Name}. Decide it with that one's configuration.");
        if (known.State == InDoubtTransaction.Waiting)
            throw new OutboxConfigurationException($"Transaction {id} has time until {id.Deadline:u}, and its coordinator may be at work. Try again then; without a decision it is rolled back by itself.");
        if (commit && known.Decision is null && known.Branches.FirstOrDefault(b => b.State is null) is { } silent)
            throw new OutboxConfigurationException($"Participant '{silent.Participant}' does not answer, so it is not known whether it can commit its branch of {id}. Try again when it does.");
        var proposal = new Decision(id, commit, reason, actor, [.. known.Branches.Where(b => b.State is TransactionRecovery.Prepared or Decision.Committed).Select(b => new BranchRecord(b.Participant, BranchRecord.Yes))]);
        var decision = known.Decision ?? await coordination.Store.DecideAsync(proposal, cancellationToken).ConfigureAwait(false);
        if (decision.IsCommit != commit)
            throw new OutboxConfigurationException($"Transaction {id} was just decided by {decision.DecidedBy}: {decision.Word}. It cannot be changed to {word}.");
        await _recovery.RunAsync(cancellationToken).ConfigureAwait(false);
        return await ShowAsync(id, cancellationToken).ConfigureAwait(false) ?? known;
    }

    private static string StateOf(TransactionId id, Decision? decision, string origin, int incarnation, DateTime now) => decision is not null ? InDoubtTransaction.Finishing
        : id.Origin != origin ? InDoubtTransaction.OfAnother
        : id.Incarnation != incarnation ? InDoubtTransaction.Lost
        : now < id.Deadline ? InDoubtTransaction.Waiting : InDoubtTransaction.Late;

    private static InDoubtTransaction Describe(TransactionId id, string state, Decision? decision, IReadOnlyList<PreparedBranch> prepared)
    {
        var names = (decision?.Branches.Select(b => b.Name) ?? []).Union(prepared.Select(b => b.Participant.Name));
        return new InDoubtTransaction(id, state, decision, [.. names.Select(name => new InDoubtTransaction.Branch(
            name,
            decision?.Branches.FirstOrDefault(b => b.Name == name)?.Vote ?? BranchRecord.Yes,
            prepared.Any(b => b.Participant.Name == name) ? TransactionRecovery.Prepared : decision?.Branches.FirstOrDefault(b => b.Name == name)?.Found))], prepared.Max(b => b.Age));
    }

    private async Task<IReadOnlyList<PreparedBranch>> ListPreparedAsync(Participant participant, List<string> unreachable, CancellationToken cancellationToken)
    {
        try
        {
            return await participant.ListPreparedAsync(coordination.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && (Sql.SqlErrors.IsOfDatabase(exception) || Sql.SqlErrors.IsUnavailable(exception)))
        {
            lock (unreachable)
                unreachable.Add(participant.Name);
            return [];
        }
    }
}

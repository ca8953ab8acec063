namespace Outbox.TwoPhaseCommit;

/// <summary>How often participants could commit, measured over the last decisions.</summary>
/// <param name="Decided">The decisions that were looked at.</param>
/// <param name="Committed">How many of them were to commit.</param>
/// <param name="Participants">For each participant: the votes it was asked for, and how many were yes.</param>
/// <remarks>Pᵢ is a participant's share of yes votes. If votes are independent, a transaction over participants commits with the probability P = ΠPᵢ: each further participant can only lower it. The share that really committed stands beside it.</remarks>
internal sealed record VoteShares(int Decided, int Committed, IReadOnlyList<VoteShares.Share> Participants)
{
    /// <summary>A participant.</summary>
    internal sealed record Share(string Participant, int Asked, int Yes)
    {
        /// <summary>Pᵢ.</summary>
        public double P => Asked == 0 ? 1 : (double)Yes / Asked;
    }

    /// <summary>P = ΠPᵢ.</summary>
    public double Expected => Participants.Aggregate(1.0, (product, share) => product * share.P);

    /// <summary>The share of decisions that were to commit; null without any.</summary>
    public double? Actual => Decided == 0 ? null : (double)Committed / Decided;

    public static VoteShares Of(IReadOnlyCollection<Decision> decisions) => new(
        decisions.Count,
        decisions.Count(d => d.IsCommit),
        [.. decisions.SelectMany(d => d.Branches).GroupBy(b => b.Name).Select(g => new Share(g.Key, g.Count(), g.Count(b => b.Vote == BranchRecord.Yes))).OrderBy(s => s.Participant, StringComparer.Ordinal)]);
}

namespace Outbox.TwoPhaseCommit;

/// <summary>What is known of a branch.</summary>
/// <param name="Name">Its participant.</param>
/// <param name="Vote"><see cref="Yes"/>, <see cref="No"/>, or <see cref="Unknown"/> if no answer came.</param>
/// <param name="Why">Why it did not vote yes.</param>
/// <param name="Found">What recovery found: <see cref="Decision.Committed"/> or <see cref="Decision.RolledBack"/>, by its marker row.</param>
internal sealed record BranchRecord(string Name, string Vote, string? Why = null, string? Found = null)
{
    public const string Yes = "yes";

    public const string No = "no";

    public const string Unknown = "unknown";
}

using System.Text.Json;

namespace Outbox.TwoPhaseCommit;

/// <summary>The decision on a transaction (G9): the first that is written under its id, for good.</summary>
/// <param name="Id">The transaction.</param>
/// <param name="IsCommit">Whether it commits.</param>
/// <param name="Reason">Why it does not, or why a person wanted it so.</param>
/// <param name="DecidedBy">The process or the person.</param>
/// <param name="Branches">What was known of its branches.</param>
/// <param name="DecidedAt">When, by the clock of where decisions are kept.</param>
/// <param name="Outcome">What was seen to become of it: null as long as that is not known of all branches.</param>
/// <param name="FinishedAt">When that was known.</param>
internal sealed record Decision(
    TransactionId Id, bool IsCommit, string? Reason, string DecidedBy, IReadOnlyList<BranchRecord> Branches, DateTime DecidedAt = default, string? Outcome = null, DateTime? FinishedAt = null)
{
    /// <summary>All branches committed.</summary>
    public const string Committed = "committed";

    /// <summary>No branch committed.</summary>
    public const string RolledBack = "rolled-back";

    /// <summary>Branches disagree with the decision: somebody finished one by hand.</summary>
    public const string Heuristic = "heuristic";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    /// <summary>As it is kept: <c>commit</c> or <c>rollback</c>.</summary>
    public string Word => IsCommit ? "commit" : "rollback";

    /// <summary>The outcome if every branch follows.</summary>
    public string Expected => IsCommit ? Committed : RolledBack;

    public static string Write(IReadOnlyList<BranchRecord> branches) => JsonSerializer.Serialize(branches, Json);

    public static IReadOnlyList<BranchRecord> Read(string branches) => JsonSerializer.Deserialize<List<BranchRecord>>(branches, Json) ?? [];
}

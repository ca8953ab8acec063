using System.Text.RegularExpressions;

namespace Outbox.Receipts;

/// <summary>What a consumer tells the source of a message: a public contract, see docs/table-contract.md. Always JSON, whatever the services' own serializers are.</summary>
/// <param name="MessageId">The message.</param>
/// <param name="Consumer">The consumer.</param>
/// <param name="Outcome"><c>applied</c> or <c>refused</c>.</param>
/// <param name="Reason">Why it was refused.</param>
/// <param name="OccurredAt">When.</param>
internal sealed partial record ReceiptMessage(Guid MessageId, string Consumer, string Outcome, string? Reason, DateTimeOffset OccurredAt)
{
    /// <summary>Begins the type of every receipt.</summary>
    public const string TypePrefix = "outbox.receipt.";

    /// <summary>The type, and so the routing key, of the receipts for a source: no source gets those of another.</summary>
    public static string TypeFor(string source) => $"{TypePrefix}{source}.v1";

    /// <summary>Whether a text from a message can be the name of a source: it becomes a routing key.</summary>
    public static bool IsSource(string? text) => text is { Length: > 0 and <= 100 } && Source().IsMatch(text);

    [GeneratedRegex("^[a-z0-9]+([.-][a-z0-9]+)*\\z")]
    private static partial Regex Source();
}

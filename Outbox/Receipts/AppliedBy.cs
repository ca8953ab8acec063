namespace Outbox.Receipts;

/// <summary>Who must have applied a message before a publisher goes on. Immutable.</summary>
public sealed class AppliedBy
{
    private readonly Kind _kind;
    private readonly IReadOnlyList<string> _names;

    private AppliedBy(Kind kind, params IReadOnlyList<string> names) => (_kind, _names) = (kind, names);

    private enum Kind
    {
        All,
        Majority,
        Named,
    }

    /// <summary>Every known consumer of the message's type, those that are stopped now included.</summary>
    public static AppliedBy All { get; } = new(Kind.All);

    /// <summary>More than half of the known consumers of the message's type.</summary>
    public static AppliedBy Majority { get; } = new(Kind.Majority);

    /// <summary>These consumers, known or not.</summary>
    /// <exception cref="ArgumentException">No name is given.</exception>
    public static AppliedBy Consumers(params IReadOnlyCollection<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Count == 0 || names.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("Name at least one consumer, as it is named in AddConsumer.", nameof(names));
        return new AppliedBy(Kind.Named, [.. names.Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>Whether it depends on the consumers that are known, and so on the message's type.</summary>
    internal bool NeedsConsumers => _kind != Kind.Named;

    /// <inheritdoc/>
    public override string ToString() => _kind == Kind.Named ? string.Join(", ", _names) : _kind.ToString();

    /// <summary>How things stand.</summary>
    /// <param name="messageId">The message.</param>
    /// <param name="isRequested">Whether the database knows that receipts of it are wanted, and so its type.</param>
    /// <param name="known">The known consumers of that type.</param>
    /// <param name="receipts">What has come back, one for each consumer.</param>
    /// <returns>The receipt; its outcome is one of those of an unfulfilled wish while it may still be fulfilled without anybody's help.</returns>
    internal Receipt Judge(Guid messageId, bool isRequested, IEnumerable<string> known, IReadOnlyCollection<ReceiptRow> receipts)
    {
        var applied = receipts.Where(r => r.Outcome == ReceiptRow.Applied).OrderBy(r => r.OccurredAt).ThenBy(r => r.Consumer, StringComparer.Ordinal).ToList();
        var refused = receipts.Where(r => r.Outcome != ReceiptRow.Applied).OrderBy(r => r.OccurredAt).ThenBy(r => r.Consumer, StringComparer.Ordinal).ToList();
        // Who has answered is known by that.
        var expected = (NeedsConsumers ? known.Concat(receipts.Select(r => r.Consumer)) : _names).ToHashSet(StringComparer.Ordinal);
        var (yes, no) = (applied.Count(r => expected.Contains(r.Consumer)), refused.Count(r => expected.Contains(r.Consumer)));
        var needed = _kind == Kind.Majority ? (expected.Count / 2) + 1 : expected.Count;
        var outcome = expected.Count switch
        {
            _ when NeedsConsumers && !isRequested => ReceiptOutcome.NotRequested,
            0 => ReceiptOutcome.NoConsumers,
            _ when yes >= needed => ReceiptOutcome.Fulfilled,
            _ when expected.Count - no < needed => ReceiptOutcome.Refused,
            _ => ReceiptOutcome.TimedOut,
        };
        return new Receipt
        {
            MessageId = messageId,
            Outcome = outcome,
            AppliedBy = [.. applied.Select(r => new Application(r.Consumer, new DateTimeOffset(r.OccurredAt, TimeSpan.Zero)))],
            Refused = [.. refused.Select(r => new Refusal(r.Consumer, r.Reason ?? "", new DateTimeOffset(r.OccurredAt, TimeSpan.Zero)))],
            Missing = [.. expected.Except(receipts.Select(r => r.Consumer), StringComparer.Ordinal).Order(StringComparer.Ordinal)],
        };
    }
}

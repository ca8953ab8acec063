using System.Globalization;
using System.Text.RegularExpressions;
using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>The headers of a command that a saga has sent, and of the answers to it: a public contract, see docs/sagas.md.</summary>
internal static partial class SagaHeaders
{
    /// <summary>What they all begin with.</summary>
    public const string Prefix = "outbox-saga";

    public const string Saga = "outbox-saga";
    public const string Id = "outbox-saga-id";
    public const string Step = "outbox-saga-step";
    public const string Operation = "outbox-saga-operation";
    public const string Round = "outbox-saga-round";

    /// <summary>Of a command: <c>applied</c> if its taking effect is the answer; absent if the saga waits for a reply of a type of its own. Of what a handler publishes as a reply: <c>reply</c>.</summary>
    public const string Answer = "outbox-saga-answer";

    public const int MaxName = 100;

    private const string WantsApplied = "applied";
    private const string IsReply = "reply";

    public static Dictionary<string, string> Of(SagaCall call)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [Saga] = call.Saga,
            [Id] = call.Id,
            [Step] = call.Step,
            [Operation] = NameOf(call.Operation),
            [Round] = call.Round.ToString(CultureInfo.InvariantCulture),
        };
        if (call.IsReply || call.WantsAnswer)
            headers[Answer] = call.IsReply ? IsReply : WantsApplied;
        return headers;
    }

    /// <summary>The call that a message is. Null: no saga has sent it, as a reply that travels with the headers of its call.</summary>
    public static SagaCall? ReadCall(IReadOnlyDictionary<string, string> headers) => Read(headers) is { IsReply: false } call ? call : null;

    /// <summary>The call that a message is, or answers; null: neither, or the headers are nobody's of ours.</summary>
    public static SagaCall? Read(IReadOnlyDictionary<string, string> headers)
    {
        if (!headers.TryGetValue(Saga, out var saga) || !IsName(saga) || !headers.TryGetValue(Step, out var step) || !IsName(step))
            return null;
        if (!headers.TryGetValue(Id, out var id) || !IsId(id) || OperationOf(headers.GetValueOrDefault(Operation)) is not { } operation)
            return null;
        var hasRound = int.TryParse(headers.GetValueOrDefault(Round), NumberStyles.None, CultureInfo.InvariantCulture, out var round) && round > 0;
        var answer = headers.GetValueOrDefault(Answer);
        return new SagaCall { Saga = saga, Id = id, Step = step, Operation = operation, Round = hasRound ? round : 1, WantsAnswer = answer == WantsApplied, IsReply = answer == IsReply };
    }

    public static string NameOf(SagaOperation operation) => operation == SagaOperation.Action ? "action" : "compensation";

    public static SagaOperation? OperationOf(string? name) => name switch
    {
        "action" => SagaOperation.Action,
        "compensation" => SagaOperation.Compensation,
        _ => null,
    };

    /// <summary>Whether a text can be the name of a saga or of a step: a saga's becomes a routing key.</summary>
    public static bool IsName(string? text) => text is { Length: > 0 and <= MaxName } && Name().IsMatch(text);

    /// <summary>Whether a text can be a saga's id. Some databases take "a" and "a " for the same.</summary>
    public static bool IsId(string? text) => text is { Length: > 0 and <= PartitionKey.MaxLength } && text is not [.., ' '] && !text.Contains('\0', StringComparison.Ordinal);

    [GeneratedRegex("^[a-z0-9]+(?:-[a-z0-9]+)*(?:\\.[a-z0-9]+(?:-[a-z0-9]+)*)*\\z")]
    private static partial Regex Name();
}

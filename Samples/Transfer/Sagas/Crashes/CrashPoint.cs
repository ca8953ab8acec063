using System.Text.Json;

namespace Transfer.Sagas.Crashes;

/// <summary>The step at which this process dies, if it is to: a point on the way of one message.</summary>
internal sealed class CrashPoint(string? step)
{
    public const string BeforePublish = "before-publish";
    public const string AfterPublish = "after-publish";
    public const string BeforeHandle = "before-handle";
    public const string AfterHandle = "after-handle";
    public const string AfterCommit = "after-commit";

    private const string SagaMessage = $"outbox.saga.{MoneySaga.Name}.v1";

    private static readonly string[] OfServices = ["withdraw", "deposit", "give-back", "transfer-completed", "transfer-refused"];
    private static readonly string[] OfSaga = ["transfer-wanted", "withdraw-answer", "deposit-answer", "give-back-answer"];

    /// <summary>All steps by name, in no order.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        .. from point in new[] { BeforePublish, AfterPublish, BeforeHandle } from message in OfServices.Concat(OfSaga) select $"{point}:{message}",
        .. from point in new[] { AfterHandle, AfterCommit } from message in OfServices select $"{point}:{message}",
    ];

    /// <summary>Dies, if this is the step.</summary>
    public void Reach(string point, string message)
    {
        if (step == $"{point}:{message}")
            Death.At(step);
    }

    /// <summary>What a message is called here: <c>withdraw</c>, <c>withdraw-answer</c>.</summary>
    public static string NameOf(string? type, ReadOnlyMemory<byte> body)
    {
        if (type != SagaMessage)
            return type?.Split('.') is [_, var name, _] ? name : "";
        // An answer to the saga, or its own clock; docs/sagas.md describes them.
        using var message = JsonDocument.Parse(body);
        var (kind, of, operation) = (Text("kind"), Text("step"), Text("operation"));
        return kind == "time-out" ? kind : operation == "compensation" ? "give-back-answer" : $"{of}-answer";

        string? Text(string property) => message.RootElement.GetProperty(property).GetString();
    }
}

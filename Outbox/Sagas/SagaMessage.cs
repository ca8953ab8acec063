using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>What a saga is told: by participants, by its own clock, and by operators. A public contract, see docs/sagas.md; always JSON, whatever the services' own serializers are.</summary>
internal class SagaMessage
{
    public const string Applied = "applied";
    public const string Refused = "refused";
    public const string Failed = "failed";
    public const string TimeOut = "time-out";
    public const string Retry = "retry";
    public const string GiveUp = "give-up";

    public static readonly JsonMessageSerializer Json = new();

    /// <summary>The type, and so the routing key, of what a saga is told.</summary>
    public static string TypeFor(string saga) => $"outbox.saga.{saga}.v1";

    /// <summary>One of the constants.</summary>
    public string Kind { get; set; } = "";

    /// <summary>The saga's id.</summary>
    public string Id { get; set; } = "";

    public string? Step { get; set; }

    public string? Operation { get; set; }

    public int Round { get; set; } = 1;

    /// <summary>Of a time-out: the version of the saga that it is for.</summary>
    public long Version { get; set; }

    public string? Reason { get; set; }

    /// <summary>Of an operator's word: who.</summary>
    public string? Actor { get; set; }
}

/// <summary>The same, told apart by the saga's class: a class has one name in a registry.</summary>
internal sealed class SagaMessage<TSaga> : SagaMessage
    where TSaga : AnySaga;

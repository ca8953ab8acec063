using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>What a message of a service means to a saga.</summary>
internal sealed record SagaMessageRole(Type Message, SagaRole Role)
{
    /// <summary>The place of its step.</summary>
    public int Place { get; init; }

    public Func<object, PartitionKey>? Correlation { get; init; }

    public Func<object, object>? Begin { get; init; }

    public Func<object, object, object>? Apply { get; init; }

    public Func<object, string?>? Reason { get; init; }
}

internal enum SagaRole
{
    Start,
    Reply,
    Refusal,
}

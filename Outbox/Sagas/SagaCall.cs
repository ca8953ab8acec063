namespace Outbox.Sagas;

/// <summary>Which saga has sent a command, and for which of its steps. It travels in the command's headers.</summary>
public sealed record SagaCall
{
    internal SagaCall()
    {
    }

    /// <summary>The saga's name.</summary>
    public required string Saga { get; init; }

    /// <summary>The saga's id: the key that it was started with.</summary>
    public required string Id { get; init; }

    /// <summary>The step.</summary>
    public required string Step { get; init; }

    /// <summary>The step's action or its compensation.</summary>
    public required SagaOperation Operation { get; init; }

    /// <summary>How often it was asked for anew after a refusal, from 1. What is sent again without an answer has the same number.</summary>
    internal int Round { get; init; } = 1;

    /// <summary>Whether the message is a reply to the call, and not the call itself: whoever receives it is asked for nothing.</summary>
    internal bool IsReply { get; init; }

    /// <summary>Whether the saga goes on when the command has taken effect, and not by a reply of its own type.</summary>
    internal bool WantsAnswer { get; init; } = true;
}

namespace Broker.Relay;

/// <summary>What happened to a message, or what it waits for.</summary>
internal enum MessageStepKind
{
    /// <summary>Its writer's transaction wrote it; by the clock of that database.</summary>
    Written,

    /// <summary>It lies in the outbox and is not published yet.</summary>
    Waiting,

    /// <summary>It is due later; <see cref="MessageStep.NextAttemptAt"/> says when.</summary>
    Scheduled,

    /// <summary>The broker has confirmed it.</summary>
    Published,

    /// <summary>Its time had passed, so it was archived instead of published.</summary>
    Expired,

    /// <summary>It is, or was, set aside; <see cref="MessageStep.State"/> says whether it waits for an operator.</summary>
    DeadLetter,

    /// <summary>A consumer will try it again, or it waits behind another one of its key.</summary>
    Deferred,

    /// <summary>A consumer's transaction with its effects was committed.</summary>
    Applied,

    /// <summary>A receipt said what a consumer did with it; <see cref="MessageStep.State"/> is <c>applied</c> or <c>refused</c>.</summary>
    Receipt,

    /// <summary>An operator did something with its dead letter; <see cref="MessageStep.State"/> says what.</summary>
    Action,
}

namespace Outbox.Sagas;

/// <summary>What a saga asks a participant for.</summary>
public enum SagaOperation
{
    /// <summary>The step itself.</summary>
    Action,

    /// <summary>To undo it.</summary>
    Compensation,
}

namespace Outbox.Sagas;

/// <summary>How a saga stands.</summary>
internal enum SagaStatus
{
    /// <summary>A step's action waits for its answer.</summary>
    Running,

    /// <summary>A step was refused or did not answer; what the steps before it did is undone, the last first.</summary>
    Compensating,

    /// <summary>An operation has failed too often, and a person has to look.</summary>
    Parked,

    /// <summary>All steps are done.</summary>
    Completed,

    /// <summary>Nothing of it is left.</summary>
    Compensated,

    /// <summary>A person has given up an operation of it.</summary>
    Failed,
}

namespace Outbox.TwoPhaseCommit;

/// <summary>Settings of a coordinator.</summary>
public sealed class TwoPhaseCommitOptions
{
    /// <summary>How long a commit waits for a decision whose reply was lost, and for participants in the second phase.</summary>
    /// <value>10 seconds.</value>
    /// <remarks>Shorter returns <see cref="TransactionOutcome.InDoubt"/> sooner while the database of the decisions is down. What is not finished by then is finished by recovery.</remarks>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often recovery looks for branches whose coordinator is gone.</summary>
    /// <value>1 second.</value>
    /// <remarks>One question to each participant for each look, by one node of the service at a time. What is left behind holds locks for as long.</remarks>
    public TimeSpan RecoveryInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether this process recovers. Another has to, if not: of the service, or a worker with the coordinator in its configuration.</summary>
    /// <value>true.</value>
    public bool Recovers { get; set; } = true;

    /// <summary>How long finished decisions are kept, for the dashboard's shares and for questions of operators. Markers are kept a week longer.</summary>
    /// <value>7 days.</value>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Called at each step of each transaction, for tests: what it throws ends the transaction as the death of the process would. Does nothing by default.</summary>
    public Func<TransactionStep, ValueTask>? Reached { get; set; }

    internal void Validate(string coordinator)
    {
        Check(nameof(Patience), Patience, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));
        Check(nameof(RecoveryInterval), RecoveryInterval, TimeSpan.FromMilliseconds(50), TimeSpan.FromHours(1));
        Check(nameof(Retention), Retention, TimeSpan.FromHours(1), TimeSpan.FromDays(3650));

        void Check(string name, TimeSpan value, TimeSpan least, TimeSpan most)
        {
            if (value < least || value > most)
                throw new OutboxConfigurationException($"Coordinator '{coordinator}': {name} is {value}. Use a time from {least} to {most}.");
        }
    }
}

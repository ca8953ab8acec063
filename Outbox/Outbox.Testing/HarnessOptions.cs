namespace Outbox.Testing;

/// <summary>Settings of a test's harness.</summary>
public sealed class HarnessOptions
{
    /// <summary>Whether the databases and their tables are created at the start, where they are missing: by a context's <c>EnsureCreated</c>, or by the outbox's own script.</summary>
    /// <value>Default: <see langword="true"/>. Off for a test that runs its migrations.</value>
    public bool CreateTables { get; set; } = true;

    /// <summary>The wait after a handler's first failed attempt, instead of the consumers' own; it grows tenfold at most.</summary>
    /// <value>Default: 10 milliseconds. <see langword="null"/> leaves the consumers' settings alone.</value>
    public TimeSpan? RetryDelay { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>How long <see cref="OutboxHarness.DrainedAsync"/> waits.</summary>
    /// <value>Default: 20 seconds.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>What chance decides with <see cref="HarnessFaults"/>: the same seed, the same choices.</summary>
    /// <value>Default: 1.</value>
    public int Seed { get; set; } = 1;
}

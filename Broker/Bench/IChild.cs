namespace Broker.Bench;

/// <summary>The work of a measured process.</summary>
internal interface IChild : IAsyncDisposable
{
    /// <summary>Connects, and does a little of the work, so that what is measured meets compiled code and open connections.</summary>
    Task WarmUpAsync(CancellationToken cancellationToken);

    /// <summary>Does the work that is measured.</summary>
    /// <param name="stop">Completes when the work that has no end of its own has to end.</param>
    /// <param name="cancellationToken">Ends the process.</param>
    /// <returns>How much was done, in which time; the process's own use of the machine is added by the caller.</returns>
    Task<ChildResult> RunAsync(Task stop, CancellationToken cancellationToken);
}

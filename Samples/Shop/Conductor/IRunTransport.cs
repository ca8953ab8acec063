using Outbox.Transport;

namespace Shop.Conductor;

/// <summary>What the conductor has to know of the transport of a run, beside using it.</summary>
internal interface IRunTransport : IAsyncDisposable
{
    string Description { get; }

    /// <summary>For the conductor's own tap.</summary>
    ITransport Transport { get; }

    /// <summary>Waits until every service's queue collects messages. An event published before would not reach those that come later.</summary>
    Task WaitForQueuesAsync(CancellationToken cancellationToken);

    /// <summary>Messages in the services' dead-letter queues.</summary>
    Task<long> CountDeadAsync(CancellationToken cancellationToken);

    /// <summary>Deletes the queues and the exchange of the run.</summary>
    Task DeleteAsync();
}

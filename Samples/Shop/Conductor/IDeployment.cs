namespace Shop.Conductor;

/// <summary>The three services and whatever relays their events, started and stopped as a whole.</summary>
internal interface IDeployment : IAsyncDisposable
{
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Where Orders listens, once started.</summary>
    Uri OrdersAddress { get; }

    /// <summary>Fails when a part has ended that should not have.</summary>
    Task Failure { get; }

    /// <summary>Kills the worker as a crash would, and starts it again.</summary>
    Task KillWorkerAsync();

    /// <summary>Ends everything in good order.</summary>
    Task StopAsync();

    /// <summary>Deliveries that the inboxes have recognized as copies; final after the stop.</summary>
    long Duplicates { get; }
}

using Hangfire;
using Hangfire.Logging;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;

namespace Broker.Dashboard.Jobs;

/// <summary>The storage that everything is built on, before its database has answered: Hangfire's own storages connect when they are made. Until <see cref="Open"/> whatever asks it gets an error. Thread-safe.</summary>
internal sealed class AwaitedJobStorage : JobStorage
{
    private readonly TaskCompletionSource<JobStorage> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Comes true once, when it is open.</summary>
    public Task<JobStorage> Opened => _opened.Task;

    /// <inheritdoc/>
    public override bool LinearizableReads => Storage.LinearizableReads;

    private JobStorage Storage => _opened.Task.IsCompletedSuccessfully ? _opened.Task.Result : throw new InvalidOperationException("The storage of the jobs has not been reached yet. The worker's log says why, and it tries again.");

    /// <summary>From now on it is this storage. Later calls do nothing.</summary>
    public void Open(JobStorage storage) => _opened.TrySetResult(storage);

    /// <inheritdoc/>
    public override IStorageConnection GetConnection() => Storage.GetConnection();

    /// <inheritdoc/>
    public override IStorageConnection GetReadOnlyConnection() => Storage.GetReadOnlyConnection();

    /// <inheritdoc/>
    public override IMonitoringApi GetMonitoringApi() => Storage.GetMonitoringApi();

    /// <inheritdoc/>
    [Obsolete("Hangfire asks this of storages without processes of their own.")]
    public override IEnumerable<IServerComponent> GetComponents() => Storage.GetComponents();

    /// <inheritdoc/>
    public override IEnumerable<IBackgroundProcess> GetServerRequiredProcesses() => Storage.GetServerRequiredProcesses();

    /// <inheritdoc/>
    public override IEnumerable<IBackgroundProcess> GetStorageWideProcesses() => Storage.GetStorageWideProcesses();

    /// <inheritdoc/>
    public override IEnumerable<IStateHandler> GetStateHandlers() => Storage.GetStateHandlers();

    /// <inheritdoc/>
    public override bool HasFeature(string featureId) => Storage.HasFeature(featureId);

    /// <inheritdoc/>
    public override void WriteOptionsToLog(ILog logger) => Storage.WriteOptionsToLog(logger);

    /// <inheritdoc/>
    public override string ToString() => _opened.Task.IsCompletedSuccessfully ? Storage.ToString() ?? "" : "not reached yet";
}

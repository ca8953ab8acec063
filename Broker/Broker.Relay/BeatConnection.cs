using System.Data.Common;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>The connection of a source's beat: its own, so that no drainer can keep the relay from renewing its leases. One caller at a time.</summary>
internal sealed class BeatConnection(RelaySource source, ILogger logger) : IAsyncDisposable
{
    private DbConnection? _connection;
    private bool _hasBegun;

    /// <summary>Ends when the last use that did not end in time has.</summary>
    public Task Late { get; private set; } = Task.CompletedTask;

    /// <summary>Checks that the tables are there, and that no row lies where nobody reads.</summary>
    /// <exception cref="OutboxConfigurationException">They are not, or are of another version, or the user may not use them.</exception>
    public static async Task CheckAsync(RelaySource source, ILogger logger, CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await CheckAsync(connection, source, logger, begins: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Uses it, opened if need be, and not for so long that leases run out meanwhile.</summary>
    public async Task<T> UseAsync<T>(Func<DbConnection, CancellationToken, Task<T>> use, CancellationToken stoppingToken)
    {
        var connection = Interlocked.Exchange(ref _connection, null);
        var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(source.Options.LeaseDuration / 4);
        // A driver that cannot wait, or does not give up when it is told to, must not hold up the loop. The connection is the work's own until it has ended.
        var work = Task.Run(async () =>
        {
            var own = connection ?? await OpenAsync(limit.Token).ConfigureAwait(false);
            try
            {
                return (Connection: own, Result: await use(own, limit.Token).ConfigureAwait(false));
            }
            catch
            {
                await own.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }, CancellationToken.None);
        try
        {
            (_connection, var result) = await work.WaitAsync(limit.Token).ConfigureAwait(false);
            limit.Dispose();
            return result;
        }
        catch
        {
            // It may end well a moment later, and then its connection is nobody's.
            Late = work.ContinueWith(late => late.IsCompletedSuccessfully ? late.Result.Connection.DisposeAsync().AsTask() : Task.CompletedTask, TaskScheduler.Default).Unwrap();
            throw;
        }
    }

    private async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = await source.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // The tables may be upgraded while it runs; it goes on until it is replaced, through lost leases and connections.
            await CheckAsync(connection, source, logger, begins: !_hasBegun, cancellationToken).ConfigureAwait(false);
            await connection.Command(source.Dialect.PrepareRelayConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            await connection.Command(source.Dialect.PrepareBeatConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            _hasBegun = true;
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task CheckAsync(DbConnection connection, RelaySource source, ILogger logger, bool begins, CancellationToken cancellationToken)
    {
        if (begins)
            SqlitePool.Check(connection, $"Source '{source.Name}'", logger);
        await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: begins, cancellationToken).ConfigureAwait(false);
        var partitions = Convert.ToInt32(await connection.Command(source.Dialect.ReadPartitions).ScalarAsync(cancellationToken).ConfigureAwait(false) ?? 1, CultureInfo.InvariantCulture);
        var stray = await connection.Command(source.Dialect.StrayPartition).With("partitions", partitions).ScalarAsync(cancellationToken).ConfigureAwait(false);
        if (stray is not null)
            Log.StrayPartition(logger, source.Name, Convert.ToInt32(stray, CultureInfo.InvariantCulture), partitions);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
            await connection.DisposeAsync().ConfigureAwait(false);
    }
}

using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary><c>broker schema --set-partitions</c>: changes the number of an outbox's partitions, or waits for whoever is at it, and tells how far it has come.</summary>
internal sealed class PartitionChange(string name, SqlDialect dialect, DbDataSource dataSource, TimeProvider time)
{
    private static readonly TimeSpan LeaseDuration = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);
    private const int Tries = 10;

    private string _told = "";

    public async Task<int> RunAsync(int partitions, CancellationToken cancellationToken)
    {
        try
        {
            await ChangeAsync(partitions, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Console.Error.WriteLine($"broker: {name}: stopped. If the change had begun, a running relay goes on with it, or this command when it is run again.");
            return ExitCodes.Failed;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} ({dialect}): the outbox has {partitions} partition(s)."));
        return ExitCodes.Ok;
    }

    private async Task ChangeAsync(int partitions, CancellationToken cancellationToken)
    {
        await using (var connection = await dataSource.OpenConnectionAsync(cancellationToken))
            await OutboxSchema.CheckAsync(connection, name, "'broker schema --create' for it", refusesNewer: true, cancellationToken);
        var owner = string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.CreateVersion7():N}");
        for (var failures = 0; ;)
        {
            try
            {
                // Each step of the change names the one before, so it may be tried again whatever failed.
                await new Repartitioning(dataSource, dialect, owner, LeaseDuration, time, Tell).TryRunAsync(partitions, cancellationToken);
            }
            catch (LeaseLostException)
            {
                // Somebody has taken over, or a step was taken whose answer was lost.
            }
            catch (DbException exception) when (SqlErrors.IsTransient(exception) && ++failures < Tries)
            {
                Tell($"the database failed: {SqlErrors.TextOf(exception)}; trying again");
            }
            if (await IsDoneAsync(partitions, cancellationToken))
                return;
            Tell("somebody else is at work on the partitions; waiting");
            await Task.Delay(Poll, time, cancellationToken);
        }
    }

    private async Task<bool> IsDoneAsync(int partitions, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await Repartitioning.ReadAsync(connection, cancellationToken) == (partitions, 0);
    }

    private void Tell(RepartitionProgress progress) => Tell(progress.Stage switch
    {
        RepartitionStage.Stopping => string.Create(CultureInfo.InvariantCulture, $"publishing stops: {progress.Done} of {progress.Of} partitions stand still"),
        RepartitionStage.Writers => "writers get to know the new number (10 s)",
        RepartitionStage.Transactions => string.Create(CultureInfo.InvariantCulture, $"waiting for {progress.Done} open transaction(s) that may write to the outbox: {progress.What}"),
        RepartitionStage.Moving => string.Create(CultureInfo.InvariantCulture, $"{progress.Done:N0} rows moved"),
        _ => string.Create(CultureInfo.InvariantCulture, $"changed from {progress.Done} to {progress.Of}; publishing goes on"),
    });

    private void Tell(string what)
    {
        if (what == _told)
            return;
        Console.WriteLine($"{name}: {_told = what}.");
    }
}

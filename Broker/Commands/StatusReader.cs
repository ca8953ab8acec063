using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary>Asks every source how it stands. One that does not answer is shown as such; the others are not kept waiting.</summary>
internal sealed class StatusReader(IReadOnlyList<SourceSettings> sources, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Dead letters that are named.</summary>
    public const int Named = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, DbDataSource> _dataSources = sources.ToDictionary(s => s.Name, s => DataSources.Create(s.Dialect, s.ConnectionString));

    /// <summary>One look at all of them, with the rates since an earlier look.</summary>
    public async Task<IReadOnlyList<SourceStatus>> LookAsync(IReadOnlyList<SourceStatus>? earlier, CancellationToken cancellationToken)
    {
        var all = await Task.WhenAll(sources.Select(source => AskAsync(source, cancellationToken)));
        return [.. all.Select(s => s.Since(earlier?.FirstOrDefault(e => e.Source.Name == s.Source.Name), time))];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var dataSource in _dataSources.Values)
            await dataSource.DisposeAsync();
    }

    private async Task<SourceStatus> AskAsync(SourceSettings source, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            return await Task.Run(() => ReadAsync(source, limit.Token), limit.Token).WaitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new SourceStatus(source, "no answer");
        }
        catch (Exception exception) when (exception is DbException or Outbox.OutboxConfigurationException)
        {
            return new SourceStatus(source, exception is DbException ? SqlErrors.TextOf(exception) : exception.Message);
        }
    }

    private async Task<SourceStatus> ReadAsync(SourceSettings source, CancellationToken cancellationToken)
    {
        var dataSource = _dataSources[source.Name];
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: false, cancellationToken);
        var beat = await RelayBeat.LookAsync(connection, "", [], cancellationToken);
        var number = await connection.Command(source.Dialect.ReadLastNumber).ScalarAsync(cancellationToken);
        var at = time.GetTimestamp();
        var backlog = await OutboxBacklog.ReadAsync(connection, beat.Partitions, cancellationToken);
        return new SourceStatus(source, null)
        {
            Backlog = backlog,
            Partitions = beat.Partitions,
            IsChanging = beat.NextPartitions is not null,
            Relays = [.. beat.Others.Order(StringComparer.Ordinal).Select(owner => new SourceStatus.Relay(owner, PartitionsOf(beat, owner)))],
            Letters = backlog.Aside.DeadLetters == 0 ? [] : await new DeadLetterDesk(dataSource, source.Dialect, DeadLetterDesk.ThisUser).ListAsync(new DeadLetterDesk.Filter(), 0, Named, cancellationToken),
            Blocked = await RelayStatus.ReadAsync(connection, cancellationToken),
            Gaps = backlog.Aside.Deferred == 0 ? [] : await KeyGap.ReadAsync(connection, null, Named, cancellationToken),
            LastNumber = number is null ? null : Convert.ToInt64(number, CultureInfo.InvariantCulture),
            Timestamp = at,
        };
    }

    private static IReadOnlyList<int> PartitionsOf(RelayBeat beat, string owner) =>
        [.. Enumerable.Range(0, beat.Partitions).Where(p => beat.Leases.Any(l => l.Name == RelayBeat.LeaseOf(p) && l.Owner == owner && l.SecondsLeft > 0))];
}

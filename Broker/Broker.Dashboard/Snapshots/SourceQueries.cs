using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Outbox;
using Outbox.Sql;

namespace Broker.Dashboard.Snapshots;

/// <summary>What pages ask a source beyond its snapshot. Each question has a limit in rows and in time, and what many tabs ask alike is asked once. Thread-safe.</summary>
internal sealed class SourceQueries(TimeProvider time)
{
    /// <summary>For how long an answer serves everybody.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(DashboardSource Source, string What), (long At, Task Answer)> _asked = new();

    /// <summary>Waiting rows of a type.</summary>
    internal sealed record TypeCount(string Type, long Rows, TimeSpan Oldest);

    /// <summary>A consumer that a database knows, and what it remembers, counted up to <see cref="SourceSurvey.CountLimit"/>.</summary>
    internal sealed record ConsumerInbox(string Consumer, long Remembered);

    /// <summary>A key that waits for a number that has not come.</summary>
    internal sealed record Gap(string Consumer, string Source, string Key, long Missing, TimeSpan Since, long Waiting);

    /// <summary>Something that an operator did.</summary>
    internal sealed record Action(DashboardSource Source, long Id, DateTime At, long DeadLetterId, string? Consumer, string? LockName, string? MessageId, string What, string Actor, string? Reason, bool KeepsBody);

    /// <summary>Whose actions are meant, and which.</summary>
    internal sealed record ActionFilter(string? Actor, string? What);

    /// <summary>The waiting rows of each type.</summary>
    public Task<IReadOnlyList<TypeCount>> WaitingByTypeAsync(DashboardSource source, int partitions, CancellationToken cancellationToken) =>
        OnceAsync<IReadOnlyList<TypeCount>>(source, $"types/{partitions}", async (connection, token) =>
        {
            await connection.Command(source.Dialect.PrepareSurveyConnection).ExecuteAsync(token).ConfigureAwait(false);
            return await ListAsync(connection.Command(source.Dialect.CountWaitingByType(partitions)).With("limit", SourceSurvey.CountLimit), row => new TypeCount(
                row.GetString(0), Convert.ToInt64(row.GetValue(1), CultureInfo.InvariantCulture), TimeSpan.FromSeconds(Convert.ToDouble(row.GetValue(2), CultureInfo.InvariantCulture))), token).ConfigureAwait(false);
        }, cancellationToken);

    /// <summary>The consumers of a database.</summary>
    public Task<IReadOnlyList<ConsumerInbox>> ConsumersAsync(DashboardSource source, CancellationToken cancellationToken) =>
        OnceAsync<IReadOnlyList<ConsumerInbox>>(source, "consumers", async (connection, token) =>
        {
            await connection.Command(source.Dialect.PrepareSurveyConnection).ExecuteAsync(token).ConfigureAwait(false);
            var consumers = new List<ConsumerInbox>();
            for (var name = ""; await connection.Command(source.Dialect.NextConsumer).With("after", name).ScalarAsync(token).ConfigureAwait(false) is string next; name = next)
            {
                var count = await connection.Command(source.Dialect.CountInbox).With("consumer", next).With("limit", SourceSurvey.CountLimit).ScalarAsync(token).ConfigureAwait(false);
                consumers.Add(new ConsumerInbox(next, Convert.ToInt64(count, CultureInfo.InvariantCulture)));
            }
            return consumers;
        }, cancellationToken);

    /// <summary>The keys of a database that wait for a number, those that wait longest first.</summary>
    public Task<IReadOnlyList<Gap>> GapsAsync(DashboardSource source, int limit, CancellationToken cancellationToken) =>
        OnceAsync<IReadOnlyList<Gap>>(source, $"gaps/{limit}", (connection, token) => ListAsync(
            connection.Command(source.Dialect.ListGaps).With("consumer", null, DbType.String).With("limit", limit),
            row => new Gap(row.GetString(0), row.GetString(1), row.GetString(2), Convert.ToInt64(row.GetValue(3), CultureInfo.InvariantCulture),
                TimeSpan.FromSeconds(Convert.ToDouble(row.GetValue(4), CultureInfo.InvariantCulture)), Convert.ToInt64(row.GetValue(5), CultureInfo.InvariantCulture)), token), cancellationToken);

    /// <summary>What operators did in one source, the last first.</summary>
    /// <param name="source">The source.</param>
    /// <param name="filter">Which.</param>
    /// <param name="before">Those with lower numbers; null: the last.</param>
    /// <param name="limit">Most of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static Task<IReadOnlyList<Action>> ActionsAsync(DashboardSource source, ActionFilter filter, long? before, int limit, CancellationToken cancellationToken) =>
        AskAsync<IReadOnlyList<Action>>(source, (connection, token) => ListAsync(
            connection.Command(source.Dialect.ListActions).With("before", before ?? long.MaxValue).With("limit", limit).With("actor", filter.Actor, DbType.String).With("action", filter.What, DbType.String),
            row => new Action(
                source, row.GetInt64(0), row.Utc(1), row.GetInt64(2), row.GetString(3) == "consumer" ? row.GetString(4) : null, row.GetString(3) == "lock" ? row.GetString(4) : null, row.IdTextOrNull(5), row.GetString(6), row.GetString(7), row.TextOrNull(8),
                Convert.ToInt64(row.GetValue(9), CultureInfo.InvariantCulture) != 0), token), cancellationToken);

    /// <summary>Asks a source something, with a limit to the wait.</summary>
    /// <exception cref="SourceUnavailableException">It does not answer.</exception>
    public static async Task<T> GuardAsync<T>(DashboardSource source, Func<CancellationToken, Task<T>> askAsync, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            return await Task.Run(() => askAsync(limit.Token), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SourceUnavailableException($"Source '{source.Name}' gave no answer within {Patience.TotalSeconds:0} s. Try again, or narrow what you look for.", exception);
        }
        catch (Exception exception) when (exception is OutboxConfigurationException || SqlErrors.IsOfDatabase(exception) || SqlErrors.IsUnavailable(exception))
        {
            var text = exception is OutboxConfigurationException ? exception.Message : SqlErrors.TextOf(exception);
            throw new SourceUnavailableException($"Source '{source.Name}': {text}.", exception);
        }
    }

    private static Task<T> AskAsync<T>(DashboardSource source, Func<DbConnection, CancellationToken, Task<T>> askAsync, CancellationToken cancellationToken) => GuardAsync(source, async token =>
    {
        var connection = await source.DataSource.OpenConnectionAsync(token).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await askAsync(connection, token).ConfigureAwait(false);
    }, cancellationToken);

    private async Task<T> OnceAsync<T>(DashboardSource source, string what, Func<DbConnection, CancellationToken, Task<T>> askAsync, CancellationToken cancellationToken)
    {
        var key = (source, what);
        if (!_asked.TryGetValue(key, out var asked) || time.GetElapsedTime(asked.At) > Freshness || asked.Answer.IsFaulted)
        {
            foreach (var old in _asked.Where(a => a.Value.Answer.IsFaulted || time.GetElapsedTime(a.Value.At) > Freshness))
                _asked.TryRemove(old);
            // Not ended by the one who asked first: others wait for it too.
            asked = _asked.GetOrAdd(key, _ => (time.GetTimestamp(), AskAsync(source, askAsync, CancellationToken.None)));
        }
        return await ((Task<T>)asked.Answer).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<T>> ListAsync<T>(DbCommand command, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add(read(reader));
        return rows;
    }
}

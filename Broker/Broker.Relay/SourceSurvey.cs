using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>How a source stands at one moment, read by one statement that counts nothing beyond <see cref="CountLimit"/>.</summary>
/// <param name="Partitions">How many partitions its outbox has.</param>
/// <param name="Change">Above zero the number of partitions that it is about to have; below zero the old one, whose rows are being moved.</param>
/// <param name="LastSequence">The last number that its outbox has given out.</param>
/// <param name="Rows">What waits in each partition.</param>
/// <param name="Leases">Its leases, of relays and of partitioned queues.</param>
/// <param name="Relays">The relays that live.</param>
/// <param name="Consumers">The processes of consumers that live.</param>
/// <param name="Letters">Dead letters that wait for an operator, counted for each side and state.</param>
/// <param name="BlockedKeys">Keys that wait for an operator.</param>
/// <param name="Scheduled">Rows that are due later.</param>
/// <param name="Stray">Rows in partitions that nobody reads.</param>
/// <param name="Deferred">What consumers have deferred, by consumer and state.</param>
internal sealed record SourceSurvey(
    int Partitions, int Change, long LastSequence, IReadOnlyList<SourceSurvey.PartitionRows> Rows, IReadOnlyList<SourceSurvey.Lease> Leases, IReadOnlyList<SourceSurvey.Process> Relays,
    IReadOnlyList<SourceSurvey.Process> Consumers, IReadOnlyList<SourceSurvey.LetterCount> Letters, long BlockedKeys, long Scheduled, long Stray, IReadOnlyList<SourceSurvey.DeferredCount> Deferred)
{
    /// <summary>Rows counted one by one, of each kind.</summary>
    public const int CountLimit = 20_000;

    /// <summary>What waits in a partition.</summary>
    /// <param name="Partition">Its number.</param>
    /// <param name="Count">The rows.</param>
    /// <param name="IsEstimate">Whether there were too many to count.</param>
    /// <param name="Lag">How long the oldest that could be published waits; null if none can.</param>
    internal sealed record PartitionRows(int Partition, long Count, bool IsEstimate, TimeSpan? Lag);

    /// <summary>A lease.</summary>
    internal sealed record Lease(string Name, string Owner, long Token, TimeSpan Left);

    /// <summary>A live relay, or a live process of a consumer.</summary>
    /// <param name="Consumer">The consumer; empty for a relay.</param>
    /// <param name="Owner">Machine and process.</param>
    /// <param name="Running">Since its start.</param>
    /// <param name="Status">What it says of itself, as JSON text; empty if nothing.</param>
    internal sealed record Process(string Consumer, string Owner, TimeSpan Running, string Status);

    internal sealed record LetterCount(string Side, string State, long Count);

    internal sealed record DeferredCount(string Consumer, string State, long Count, TimeSpan Oldest);

    public long Backlog => Rows.Sum(r => r.Count);

    public bool IsEstimate => Rows.Any(r => r.IsEstimate);

    public TimeSpan? Lag => Rows.Max(r => r.Lag);

    public long DeadLetters => Letters.Sum(l => l.Count);

    public long DeferredMessages => Deferred.Sum(d => d.Count);

    /// <summary>Asks a database, on a connection that was sent <see cref="SqlDialect.PrepareSurveyConnection"/>.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="partitions">How many partitions the outbox had when it was last asked. When that has changed, the next survey counts right.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<SourceSurvey> ReadAsync(DbConnection connection, int partitions, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).Survey(partitions)).With("limit", CountLimit);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var (now, change, last, keys, scheduled, stray) = (partitions, 0, 0L, 0L, 0L, 0L);
        var (rows, leases, relays, consumers, letters, deferred) = (new List<PartitionRows>(), new List<Lease>(), new List<Process>(), new List<Process>(), new List<LetterCount>(), new List<DeferredCount>());
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var (name, owner, number, other) = (reader.GetString(1), reader.GetString(2), Convert.ToInt64(reader.GetValue(3), CultureInfo.InvariantCulture), Convert.ToInt64(reader.GetValue(4), CultureInfo.InvariantCulture));
            var seconds = reader.IsDBNull(5) ? 0 : Convert.ToDouble(reader.GetValue(5), CultureInfo.InvariantCulture);
            var age = TimeSpan.FromSeconds(Math.Clamp(seconds, -1e9, 1e9));
            switch (reader.GetString(0))
            {
                case "settings":
                    (now, change) = ((int)number, (int)other);
                    break;
                case "sequence":
                    last = number;
                    break;
                case "rows":
                    // The partitions share the numbers, so about one in so many is this one's.
                    var isEstimate = number >= CountLimit;
                    rows.Add(new PartitionRows(int.Parse(name, CultureInfo.InvariantCulture), isEstimate ? Math.Max(number, other / partitions) : number, isEstimate, seconds < 0 ? null : age));
                    break;
                case "lease":
                    leases.Add(new Lease(name, owner, number, age));
                    break;
                case "relay":
                    relays.Add(new Process("", owner, age, reader.GetString(6)));
                    break;
                case "consumer":
                    consumers.Add(new Process(name, owner, age, reader.GetString(6)));
                    break;
                case "letters":
                    letters.Add(new LetterCount(name, owner, number));
                    break;
                case "keys":
                    keys += number;
                    break;
                case "scheduled":
                    scheduled = number;
                    break;
                case "stray":
                    stray += number;
                    break;
                case "deferred":
                    deferred.Add(new DeferredCount(name, owner, number, age));
                    break;
            }
        }
        return new SourceSurvey(
            now, change, last, [.. rows.OrderBy(r => r.Partition)], [.. leases.OrderBy(l => l.Name, StringComparer.Ordinal)], relays, [.. consumers.OrderBy(c => c.Consumer, StringComparer.Ordinal)], letters, keys, scheduled, stray,
            [.. deferred.OrderBy(d => d.Consumer, StringComparer.Ordinal)]);
    }
}

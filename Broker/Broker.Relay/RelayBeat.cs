using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>What one sign of life of a relay brought back.</summary>
/// <param name="Renewed">The leases that were extended, by name, with their tokens.</param>
/// <param name="Leases">All leases of partitions.</param>
/// <param name="Others">The other relays that live.</param>
/// <param name="WithRows">The partitions that have rows above their floors.</param>
/// <param name="Partitions">How many partitions the outbox has.</param>
/// <param name="NextPartitions">Not null while their number is being changed: nobody drains then.</param>
internal sealed record RelayBeat(
    IReadOnlySet<(string Name, long Token)> Renewed, IReadOnlyList<RelayBeat.LeaseState> Leases, IReadOnlyList<string> Others, IReadOnlyList<short> WithRows, int Partitions, int? NextPartitions)
{
    /// <summary>A lease as the database sees it.</summary>
    internal sealed record LeaseState(string Name, string Owner, long Token, double SecondsLeft)
    {
        /// <summary>The partition that it is for; null if it is for something else.</summary>
        public short? Partition => short.TryParse(Name.AsSpan(Name.IndexOf('/', StringComparison.Ordinal) + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var partition) ? partition : null;
    }

    /// <summary>The name of a partition's lease.</summary>
    public static string LeaseOf(int partition) => string.Create(CultureInfo.InvariantCulture, $"relay/{partition}");

    /// <summary>Writes that the relay lives, extends its leases, and reads how things stand, by one statement or one batch of them.</summary>
    public static async Task<RelayBeat> SendAsync(
        DbConnection connection, string owner, TimeSpan duration, string? status, IReadOnlyList<(string Name, long Token)> held, IReadOnlyList<(short Partition, long Floor)> floors, CancellationToken cancellationToken)
    {
        var dialect = SqlDialect.Of(connection);
        var transaction = dialect.BeatsInTransaction ? await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false) : null;
        try
        {
            var command = connection.Command(dialect.Beat(held.Count, floors.Count), transaction)
                .With("owner", owner).With("milliseconds", (long)duration.TotalMilliseconds).With("status", status, System.Data.DbType.String);
            await using var _ = command.ConfigureAwait(false);
            SqlDialect.BindHeld(command, held);
            SqlDialect.BindFloors(command, floors);
            var beat = await ReadAsync(command, cancellationToken).ConfigureAwait(false);
            // G5: the leases are extended by the commit, whatever was read before it.
            if (transaction is not null)
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            return beat;
        }
        finally
        {
            if (transaction is not null)
                await transaction.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Reads how things stand, and writes nothing: no lease is extended.</summary>
    public static async Task<RelayBeat> LookAsync(DbConnection connection, string owner, IReadOnlyList<(short Partition, long Floor)> floors, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).Look(floors.Count)).With("owner", owner);
        await using var _ = command.ConfigureAwait(false);
        SqlDialect.BindFloors(command, floors);
        return await ReadAsync(command, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<RelayBeat> ReadAsync(DbCommand command, CancellationToken cancellationToken)
    {
        var renewed = new HashSet<(string, long)>();
        var (leases, others, withRows) = (new List<LeaseState>(), new List<string>(), new List<short>());
        int? partitions = null, next = null;
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        do
        {
            while (reader.FieldCount == 5 && await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                var (name, number, seconds) = (reader.GetString(1), Convert.ToInt64(reader.GetValue(3), CultureInfo.InvariantCulture), Convert.ToDouble(reader.GetValue(4), CultureInfo.InvariantCulture));
                switch (reader.GetString(0))
                {
                    case "renewed":
                        renewed.Add((name, number));
                        break;
                    case "lease":
                        leases.Add(new LeaseState(name, reader.GetString(2), number, seconds));
                        break;
                    case "relay":
                        others.Add(name);
                        break;
                    case "rows":
                        withRows.Add((short)number);
                        break;
                    default:
                        (partitions, next) = ((int)number, seconds != 0 ? (int)seconds : null);
                        break;
                }
            }
        }
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
        // A row that somebody has deleted is the default.
        return new RelayBeat(renewed, leases, others, withRows, partitions ?? 1, next);
    }

    /// <summary>The partitions that have rows above their floors.</summary>
    public static async Task<IReadOnlyList<short>> FindRowsAsync(DbConnection connection, IReadOnlyList<(short Partition, long Floor)> floors, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).FindRows(floors.Count));
        await using var _ = command.ConfigureAwait(false);
        SqlDialect.BindFloors(command, floors);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var found = new List<short>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            found.Add(Convert.ToInt16(reader.GetValue(0), CultureInfo.InvariantCulture));
        return found;
    }
}

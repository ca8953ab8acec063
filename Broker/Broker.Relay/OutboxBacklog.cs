using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>How much waits in an outbox. Cheap at any size: rows are counted up to a limit, and estimated beyond it.</summary>
/// <param name="Rows">Rows that wait in <c>outbox_messages</c>.</param>
/// <param name="IsEstimate">Whether there were too many to count, so that <paramref name="Rows"/> comes from the numbers of the first and the last row.</param>
/// <param name="Aside">What lies beside the straight way.</param>
/// <param name="Lag">How long the oldest row that could be published has been waiting; zero if none can.</param>
internal sealed record OutboxBacklog(long Rows, bool IsEstimate, OutboxAside Aside, TimeSpan Lag)
{
    /// <summary>Rows counted one by one in each partition.</summary>
    public const int CountLimit = 20_000;

    /// <summary>Asks a database.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="partitions">How many partitions its outbox has.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<OutboxBacklog> ReadAsync(DbConnection connection, int partitions, CancellationToken cancellationToken)
    {
        var dialect = SqlDialect.Of(connection);
        // As a relay: the plan of an empty table would walk all of a full one.
        await connection.Command(dialect.PrepareRelayConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        var (rows, isEstimate, lag) = (0L, false, 0.0);
        for (var partition = 0; partition < partitions; partition++)
        {
            var command = connection.Command(dialect.ReadBacklog).With("partition", (short)partition).With("limit", CountLimit);
            await using var _ = command.ConfigureAwait(false);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var __ = reader.ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            var counted = Convert.ToInt64(reader.GetValue(0), CultureInfo.InvariantCulture);
            if (counted == CountLimit && !reader.IsDBNull(1))
            {
                // The partitions share the numbers, so about one in so many is this one's.
                isEstimate = true;
                counted = Math.Max(counted, Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture) / partitions);
            }
            rows += counted;
            if (!reader.IsDBNull(2))
                lag = Math.Max(lag, Convert.ToDouble(reader.GetValue(2), CultureInfo.InvariantCulture));
        }
        return new OutboxBacklog(rows, isEstimate, await OutboxAside.ReadAsync(connection, partitions, cancellationToken).ConfigureAwait(false), TimeSpan.FromSeconds(lag));
    }
}

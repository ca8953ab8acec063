using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>What an outbox holds beside the rows that flow.</summary>
/// <param name="BlockedKeys">Keys that wait for an operator, among the first <see cref="CountLimit"/> letters that block one.</param>
/// <param name="DeadLetters">Dead letters, of the relay and of consumers, that wait for one, counted up to <see cref="CountLimit"/>.</param>
/// <param name="Scheduled">Rows that are due later, counted up to <see cref="CountLimit"/>.</param>
/// <param name="Stray">Rows in partitions that nobody reads, counted up to <see cref="CountLimit"/>.</param>
/// <param name="Deferred">Messages that consumers of this database have deferred, counted up to <see cref="CountLimit"/>.</param>
internal sealed record OutboxAside(long BlockedKeys, long DeadLetters, long Scheduled, long Stray, long Deferred)
{
    /// <summary>Rows counted one by one.</summary>
    public const int CountLimit = 20_000;

    /// <summary>Asks a database.</summary>
    public static async Task<OutboxAside> ReadAsync(DbConnection connection, int partitions, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).ReadAside).With("partitions", partitions).With("limit", CountLimit);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        long Number(int ordinal) => Convert.ToInt64(reader.GetValue(ordinal), CultureInfo.InvariantCulture);
        return new OutboxAside(Number(0), Number(1), Number(2), Number(3), Number(4));
    }
}

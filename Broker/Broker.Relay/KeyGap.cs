using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>A key at which a consumer waits for a number that has not come.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="Source">The source whose key it is.</param>
/// <param name="Key">The key.</param>
/// <param name="Missing">The number that is missing.</param>
/// <param name="Since">How long the first message has waited for it.</param>
/// <param name="Waiting">How many messages wait.</param>
internal sealed record KeyGap(string Consumer, string Source, string Key, long Missing, TimeSpan Since, long Waiting)
{
    /// <summary>The gaps of a database, those that wait longest first.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="consumer">Of this consumer alone; null for all.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<IReadOnlyList<KeyGap>> ReadAsync(DbConnection connection, string? consumer, int limit, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).ListGaps).With("consumer", consumer, DbType.String).With("limit", limit);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var gaps = new List<KeyGap>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            gaps.Add(new KeyGap(
                reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetInt64(3),
                TimeSpan.FromSeconds(Convert.ToDouble(reader.GetValue(4), CultureInfo.InvariantCulture)), Convert.ToInt64(reader.GetValue(5), CultureInfo.InvariantCulture)));
        }
        return gaps;
    }
}

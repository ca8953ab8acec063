using System.Data.Common;
using Newtonsoft.Json;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>What does not flow, as a node tells it to people: JSON in the column <c>status</c> of its row in <c>relays</c>.</summary>
internal static class RelayStatus
{
    private const int Version = 1;

    private sealed record Document(int Version, IReadOnlyList<BlockedKey> Blocked);

    /// <summary>The text for the column; null if everything flows.</summary>
    public static string? Write(IReadOnlyList<BlockedKey> blocked) => blocked.Count == 0 ? null : JsonConvert.SerializeObject(new Document(Version, blocked));

    /// <summary>What such a text says; nothing if another version of the program has written something else.</summary>
    public static IReadOnlyList<BlockedKey> Read(string? status)
    {
        try
        {
            return status is null ? [] : JsonConvert.DeserializeObject<Document>(status) is { Version: Version, Blocked: { } blocked } ? blocked : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    /// <summary>What the live nodes of a database say.</summary>
    public static async Task<IReadOnlyList<BlockedKey>> ReadAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).ReadRelayStatus);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var blocked = new List<BlockedKey>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            blocked.AddRange(Read(reader.GetString(0)));
        return [.. blocked.OrderByDescending(b => b.Waiting).Take(BlockedWatch.Most)];
    }
}

using System.Data.Common;
using Outbox.Consumers;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>A live process of a consumer.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="Owner">Machine, process and a part that no other run has.</param>
/// <param name="StartedAt">When it began, in UTC.</param>
/// <param name="Status">What it says of itself; null if it is of another version.</param>
internal sealed record ConsumerProcess(string Consumer, string Owner, DateTime StartedAt, ConsumerStatus? Status)
{
    /// <summary>Those that live at a database.</summary>
    public static async Task<IReadOnlyList<ConsumerProcess>> ReadAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var command = connection.Command(SqlDialect.Of(connection).ListConsumerStatus);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var processes = new List<ConsumerProcess>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            processes.Add(new ConsumerProcess(reader.GetString(0), reader.GetString(1), reader.GetDateTime(2), ConsumerStatus.Read(reader.IsDBNull(3) ? null : reader.GetString(3))));
        return processes;
    }
}

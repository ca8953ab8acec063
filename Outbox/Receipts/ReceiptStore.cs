using System.Data.Common;
using Outbox.Sql;

namespace Outbox.Receipts;

/// <summary>Reads how things stand with many messages at once, on a connection that is given back at once.</summary>
internal sealed class ReceiptStore(OutboxRegistration outbox, IServiceProvider services)
{
    private const int Most = 500;

    public async Task<IReadOnlyDictionary<(Guid Id, AppliedBy Wish), Receipt>> ReadAsync(IReadOnlyCollection<(Guid Id, AppliedBy Wish)> wishes, CancellationToken cancellationToken)
    {
        var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var dialect = SqlDialect.Of(connection);
        var (types, receipts) = (new Dictionary<Guid, string>(), new List<ReceiptRow>());
        foreach (var ids in wishes.Select(w => w.Id).Distinct().Chunk(Most))
        {
            await ReadAsync(connection.Command(dialect.ReadReceiptRequests).With("message_ids", dialect.MessageIdsParameter(ids)), r => types.Add(dialect.ReadGuid(r, 0), r.GetString(1)), cancellationToken).ConfigureAwait(false);
            await ReadAsync(connection.Command(dialect.ReadReceipts).With("message_ids", dialect.MessageIdsParameter(ids)), r => receipts.Add(RowOf(dialect, r)), cancellationToken).ConfigureAwait(false);
        }
        var consumers = new List<(string Name, string Type)>();
        if (wishes.Any(w => w.Wish.NeedsConsumers))
        {
            var lifetime = (long)(outbox.Options.Receipts ?? new ReceiptOptions()).ConsumerLifetime.TotalSeconds;
            await ReadAsync(connection.Command(dialect.ReadConsumers).With("seconds", lifetime), r => consumers.Add((r.GetString(0), r.GetString(1))), cancellationToken).ConfigureAwait(false);
        }
        var (ofMessage, ofType) = (receipts.ToLookup(r => r.MessageId), consumers.ToLookup(c => c.Type, c => c.Name, StringComparer.Ordinal));
        return wishes.Distinct().ToDictionary(w => w, w =>
        {
            var type = types.GetValueOrDefault(w.Id);
            return w.Wish.Judge(w.Id, type is not null, type is null ? [] : ofType[type], [.. ofMessage[w.Id]]);
        });
    }

    private static async Task ReadAsync(DbCommand command, Action<DbDataReader> row, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            row(reader);
    }

    private static ReceiptRow RowOf(SqlDialect dialect, DbDataReader reader) => new()
    {
        MessageId = dialect.ReadGuid(reader, 0),
        Consumer = reader.GetString(1),
        Outcome = reader.GetString(2),
        Reason = reader.IsDBNull(3) ? null : reader.GetString(3),
        OccurredAt = DateTime.SpecifyKind(reader.GetDateTime(4), DateTimeKind.Utc),
    };
}

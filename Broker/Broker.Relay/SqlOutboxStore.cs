using System.Data.Common;
using Newtonsoft.Json;
using Outbox.Diagnostics;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>An outbox in a database. Each statement takes a connection of the source's own.</summary>
/// <remarks>A deadlock, or a row or table that somebody has locked, is tried again for some seconds: ending the drain for it would publish the whole window once more.</remarks>
internal sealed partial class SqlOutboxStore : IOutboxStore
{
    /// <summary>Reading stops at this many bytes of bodies, so that a thousand large rows do not fill the memory.</summary>
    private const long MaxReadBytes = 16 * 1024 * 1024;

    private const int Tries = 20;
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMilliseconds(250);

    private readonly RelaySource _source;
    private readonly short _partition;
    private readonly string _lease;
    private readonly long _token;
    private readonly RelayConnections _connections;
    private readonly bool _ownsConnections;
    private readonly BodyPool _bodies = new(BodyPool.Free.Shared);
    private readonly TextCache _types = new();
    private readonly TextCache _contentTypes = new();

    public SqlOutboxStore(RelaySource source, short partition, string lease, long token, RelayConnections connections) =>
        (_source, _partition, _lease, _token, _connections) = (source, partition, lease, token, connections);

    private SqlOutboxStore(RelaySource source, short partition, string lease, long token)
        : this(source, partition, lease, token, new RelayConnections(source, 2)) => _ownsConnections = true;

    private SqlDialect Dialect => _source.Dialect;

    public LateRows LateRows => Dialect.LateRows;

    /// <summary>A store with two connections of its own, opened when they are needed.</summary>
    public static async Task<SqlOutboxStore> OpenAsync(RelaySource source, short partition, string lease, long token, CancellationToken cancellationToken)
    {
        var store = new SqlOutboxStore(source, partition, lease, token);
        try
        {
            await store.AgainAsync(_ => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
            return store;
        }
        catch
        {
            await store.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> ReadAsync(long after, int limit, CancellationToken cancellationToken) => AgainAsync(async connection =>
    {
        var command = connection.Command(Dialect.ReadMessages).With("partition", _partition).With("after", after).With("limit", limit);
        await using var _ = command.ConfigureAwait(false);
        return await RowsAsync(command, limit, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    public Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, bool stopsEarly, CancellationToken cancellationToken) => AgainAsync<IReadOnlyList<OutboxRow>>(async connection =>
    {
        var fetched = new List<OutboxRow>(sequences.Count);
        for (var rest = sequences; rest.Count > 0;)
        {
            var command = connection.Command(Dialect.FetchMessages).With("partition", _partition).With("sequences", Dialect.SequencesParameter(rest));
            await using var _ = command.ConfigureAwait(false);
            var (rows, isEnd) = await RowsAsync(command, int.MaxValue, cancellationToken).ConfigureAwait(false);
            fetched.AddRange(rows);
            rest = isEnd || stopsEarly ? [] : [.. rest.Where(s => s > rows[^1].Sequence)];
        }
        return fetched;
    }, cancellationToken);

    public Task<IReadOnlyList<long>> ListAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken) =>
        ListAsync(Dialect.ListSequences(spans), spans, limit, cancellationToken);

    public Task<IReadOnlyList<long>> ListUncommittedAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken) =>
        ListAsync(Dialect.ListUncommitted(spans) ?? throw new NotSupportedException($"{Dialect} shows no uncommitted rows."), spans, limit, cancellationToken);

    public Task<bool> SettleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) =>
        _source.Options.Archive ? MoveAsync(Dialect.ArchiveMessages, command => BindSettled(command, sequences).With("outcome", "published"), cancellationToken) : DropAsync(sequences, cancellationToken);

    public Task<bool> DropAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => AgainAsync(async connection =>
    {
        var deleted = await BindSettled(connection.Command(Dialect.SettleMessages), sequences).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        // Fewer rows than asked for may also mean that somebody else removed some; the lease tells.
        return deleted == sequences.Count || await IsHeldAsync(connection, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    public Task<long?> ReadLastSequenceAsync(CancellationToken cancellationToken) => Dialect.ReadLastSequence is not { } sql
        ? Task.FromResult<long?>(null)
        : AgainAsync(async connection => (long?)await connection.Command(sql).ScalarAsync(cancellationToken).ConfigureAwait(false), cancellationToken);

    public Task<IReadOnlyList<(string Writer, string? IdleSince)>> ListWritersAsync(CancellationToken cancellationToken) => Dialect.ListWriters is not { } sql
        ? Task.FromResult<IReadOnlyList<(string, string?)>>([])
        : AgainAsync<IReadOnlyList<(string Writer, string? IdleSince)>>(async connection =>
    {
        var command = connection.Command(sql);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var writers = new List<(string, string?)>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            writers.Add((reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1)));
        return writers;
    }, cancellationToken);

    public ValueTask DisposeAsync() => _ownsConnections ? _connections.DisposeAsync() : ValueTask.CompletedTask;

    private async Task<T> AgainAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        for (var failures = 1; ; failures++)
        {
            var rented = await _connections.RentAsync(cancellationToken).ConfigureAwait(false);
            await using (rented.ConfigureAwait(false))
            {
                try
                {
                    var result = await work(rented.Connection).ConfigureAwait(false);
                    rented.IsSound = true;
                    return result;
                }
                catch (DbException exception) when (failures < Tries && SqlErrors.IsTransient(exception))
                {
                    // Undone as a whole. A lease that is lost meanwhile ends the wait.
                    rented.IsSound = rented.Connection.State == System.Data.ConnectionState.Open;
                }
            }
            await Task.Delay(Backoff.Delay(failures, FirstRetry, LongestRetry), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>G5: the statement itself has checked the token; this tells what it found. A token never comes back, so one that is held now was held then.</summary>
    private async Task<bool> IsHeldAsync(DbConnection connection, CancellationToken cancellationToken) =>
        await connection.Command(Dialect.CheckLease).With("name", _lease).With("token", _token).ScalarAsync(cancellationToken).ConfigureAwait(false) is not null;

    private DbCommand BindSettled(DbCommand command, IReadOnlyList<long> sequences) =>
        command.With("partition", _partition).With("sequences", Dialect.SequencesParameter(sequences)).With("lease", _lease).With("token", _token);

    private Task<IReadOnlyList<long>> ListAsync(string sql, IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken) => AgainAsync<IReadOnlyList<long>>(async connection =>
    {
        var command = connection.Command(sql).With("partition", _partition).With("limit", limit);
        await using var _ = command.ConfigureAwait(false);
        Dialect.BindSpans(command, spans);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var sequences = new List<long>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            sequences.Add(reader.GetInt64(0));
        return sequences;
    }, cancellationToken);

    private async Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> RowsAsync(DbCommand command, int limit, CancellationToken cancellationToken)
    {
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        var rows = new List<OutboxRow>(Math.Min(limit, 1_000));
        long bytes = 0;
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var row = Row(reader);
            rows.Add(row);
            bytes += row.Envelope?.Body.Length ?? 0;
            if (bytes < MaxReadBytes)
                continue;
            // Without this, closing the reader would fetch all that is left.
            command.Cancel();
            return (rows, false);
        }
        return (rows, rows.Count < limit);
    }

    private OutboxRow Row(DbDataReader reader)
    {
        // In the order of the columns: drivers find them fastest so.
        var sequence = reader.GetInt64(0);
        string? key;
        string type;
        Envelope? envelope = null;
        string? unreadable = null;
        BodyPool.Block? memory = null;
        try
        {
            var id = Dialect.ReadGuid(reader, 1);
            key = TextOrNull(reader, 2);
            long? keySequence = reader.IsDBNull(3) ? null : reader.GetInt64(3);
            type = Dialect.ReadText(reader, 4, _types);
            var headers = reader.IsDBNull(5) ? Envelope.NoHeaders : ReadHeaders(reader.GetString(5));
            var contentType = Dialect.ReadText(reader, 6, _contentTypes);
            (memory, var body) = ReadBody(reader, 7);
            envelope = new Envelope
            {
                MessageId = id,
                PartitionKey = key,
                KeySequence = keySequence,
                Type = type,
                Headers = headers,
                ContentType = contentType,
                Body = body,
                CreatedAt = reader.GetDateTime(8),
                Source = _source.Name,
            };
            if (type.Length is 0 or > MessageTypeRegistry.MaxNameLength)
                (envelope, unreadable) = (null, $"its type has {type.Length} characters; 1 to {MessageTypeRegistry.MaxNameLength} are allowed");
        }
        catch (Exception exception) when (exception is JsonException or FormatException or InvalidCastException or ArgumentException or OverflowException)
        {
            // G3: whatever else is wrong with it, the later rows of its key wait behind it.
            (key, type) = (TextOrNull(reader, 2), Dialect.ReadText(reader, 4, _types));
            unreadable = exception is JsonException ? "its headers are not a JSON object of strings" : $"a column cannot be read: {exception.Message}";
        }
        return new OutboxRow
        {
            Sequence = sequence,
            Key = key,
            Type = type,
            Envelope = envelope,
            Memory = envelope is null ? null : memory,
            Unreadable = unreadable,
            DueIn = reader.IsDBNull(9) ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Clamp(reader.GetDouble(9), 0, TimeSpan.FromDays(10_000).TotalSeconds)),
            Expired = reader.GetFieldType(10) == typeof(bool) ? reader.GetBoolean(10) : Convert.ToBoolean(reader.GetValue(10), System.Globalization.CultureInfo.InvariantCulture),
        };
    }

    private static string? TextOrNull(DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);

    private (BodyPool.Block? Memory, ReadOnlyMemory<byte> Body) ReadBody(DbDataReader reader, int ordinal)
    {
        if (!Dialect.CopiesBytes)
            return (null, reader.GetFieldValue<byte[]>(ordinal));
        var length = (int)reader.GetBytes(ordinal, 0, null, 0, 0);
        var (block, offset) = _bodies.Take(length);
        if (length > 0)
            reader.GetBytes(ordinal, 0, block.Bytes, offset, length);
        return (block, block.Bytes.AsMemory(offset, length));
    }

    internal static Dictionary<string, string> ReadHeaders(string json)
    {
        var headers = JsonConvert.DeserializeObject<Dictionary<string, string?>>(json) ?? throw new JsonSerializationException("null");
        return headers.ToDictionary(h => h.Key, h => h.Value ?? "", StringComparer.Ordinal);
    }
}

using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Relay;

/// <summary>Publishes archived history to one queue again, with its ids, in its order.</summary>
/// <remarks>
/// Reads a page, and holds neither a transaction nor a cursor while it publishes. G3: of each key at most one message is unconfirmed, so what fails goes again before anything later of its key.
/// A death anywhere leaves copies of what was on its way when the same range is replayed again, and the inbox knows them by their ids.
/// </remarks>
internal sealed class ArchiveReplay(DbDataSource dataSource, SqlDialect dialect, string source, ITransport transport, TimeProvider time)
{
    private const int PageSize = 1_000;
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    private readonly Dictionary<long, Sent> _sent = [];
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly Queue<Sent> _again = new();
    private long _ticket;
    private long _through;
    private int _failures;
    private IPublishChannel? _channel;

    private sealed record Sent(long Sequence, Envelope Envelope);

    /// <summary>What is to be replayed.</summary>
    /// <param name="From">Published at this time or later, UTC.</param>
    /// <param name="To">Published before this time, UTC.</param>
    /// <param name="Type">Of this type; null for all.</param>
    /// <param name="Key">Of this key; null for all.</param>
    /// <param name="AfterSequence">Above this sequence: where an earlier replay ended.</param>
    internal sealed record Range(DateTime From, DateTime To, string? Type, string? Key, long AfterSequence);

    /// <summary>Messages confirmed so far.</summary>
    public long Published { get; private set; }

    /// <summary>Everything up to this sequence is in the queue.</summary>
    public long LastSequence => _sent.Values.Concat(_again).Select(s => s.Sequence - 1).Append(_through).Min();

    /// <summary>How many messages a range holds, and the highest of their sequences.</summary>
    public async Task<(long Count, long Last)> MeasureAsync(Range range, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = Bind(connection.Command(dialect.MeasureArchive), range).With("after", range.AfterSequence);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        return (Convert.ToInt64(reader.GetValue(0), CultureInfo.InvariantCulture), reader.IsDBNull(2) ? 0 : Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture));
    }

    /// <summary>Publishes a range to a queue. An outage of the broker is waited for; <see cref="LastSequence"/> tells how far it came, also after an error.</summary>
    /// <param name="range">The range.</param>
    /// <param name="last">Where it ends: what is archived later does not belong to it.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="onPublished">Told the number of messages confirmed, now and then.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="OutboxConfigurationException">A message cannot be published to that queue.</exception>
    /// <exception cref="TransportException">The queue is not there, or the broker refuses the user.</exception>
    public async Task RunAsync(Range range, long last, string queue, Action<long> onPublished, CancellationToken cancellationToken)
    {
        (_through, Published) = (range.AfterSequence, 0);
        var replay = time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        try
        {
            for (var after = range.AfterSequence; ;)
            {
                var page = await ReadAsync(range, after, last, replay, cancellationToken).ConfigureAwait(false);
                foreach (var row in page)
                {
                    // G3: the key's message before this one must be in the queue.
                    while (row.Envelope.PartitionKey is { } key && !_keys.Add(key))
                        await AnswerAsync(queue, cancellationToken).ConfigureAwait(false);
                    await SendAsync(row, queue, cancellationToken).ConfigureAwait(false);
                    _through = row.Sequence;
                    if (_channel is { } channel)
                        Drain(channel);
                }
                onPublished(Published);
                if (page.Count == 0)
                    break;
                after = page[^1].Sequence;
            }
            while (_sent.Count + _again.Count > 0)
                await AnswerAsync(queue, cancellationToken).ConfigureAwait(false);
            _through = Math.Max(_through, last);
            onPublished(Published);
        }
        finally
        {
            if (_channel is { } channel)
                await channel.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task SendAsync(Sent row, string queue, CancellationToken cancellationToken)
    {
        while (true)
        {
            var channel = _channel ??= await OpenAsync(queue, cancellationToken).ConfigureAwait(false);
            // What failed before goes first.
            var next = _again.TryDequeue(out var failed) ? failed : row;
            _sent.Add(++_ticket, next);
            try
            {
                await channel.PublishAsync(next.Envelope, _ticket, cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException)
            {
                _sent.Remove(_ticket);
                _again.Enqueue(next);
                await DropAsync(cancellationToken).ConfigureAwait(false);
                if (next == row)
                    return;
                continue;
            }
            if (next == row)
                return;
        }
    }

    /// <summary>Waits for an answer, sends again what has failed, and opens the channel again if it was lost.</summary>
    private async Task AnswerAsync(string queue, CancellationToken cancellationToken)
    {
        if (_again.TryDequeue(out var failed))
            await SendAsync(failed, queue, cancellationToken).ConfigureAwait(false);
        else if (_channel is { } channel && await channel.Results.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            Drain(channel);
        else
            await DropAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Drain(IPublishChannel channel)
    {
        while (channel.Results.TryRead(out var result))
            Take(result);
    }

    private void Take(PublishResult result)
    {
        if (!_sent.Remove(result.Ticket, out var sent))
            return;
        switch (result.Outcome)
        {
            case PublishOutcome.Confirmed:
                if (sent.Envelope.PartitionKey is { } key)
                    _keys.Remove(key);
                Published++;
                _failures = 0;
                break;
            case PublishOutcome.Unroutable or PublishOutcome.Refused:
                _again.Enqueue(sent);
                throw new OutboxConfigurationException($"The message {sent.Envelope.MessageId} (sequence {sent.Sequence}, type '{sent.Envelope.Type}') cannot be published: {result.Reason}.");
            default:
                // G2: a nack or silence is no confirm, and says nothing about the message.
                _again.Enqueue(sent);
                break;
        }
    }

    private async Task<IPublishChannel> OpenAsync(string queue, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await transport.OpenPublishChannelAsync(new PublishChannelOptions { Queue = queue }, cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException exception) when (exception.IsTransient)
            {
                await Task.Delay(Outbox.Diagnostics.Backoff.Delay(++_failures, FirstRetry, LongestRetry), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task DropAsync(CancellationToken cancellationToken)
    {
        if (_channel is not { } channel)
            return;
        _channel = null;
        await channel.DisposeAsync().ConfigureAwait(false);
        Drain(channel);
        foreach (var sent in _sent.Values)
            _again.Enqueue(sent);
        _sent.Clear();
        await Task.Delay(Outbox.Diagnostics.Backoff.Delay(++_failures, FirstRetry, LongestRetry), time, cancellationToken).ConfigureAwait(false);
    }

    private async Task<List<Sent>> ReadAsync(Range range, long after, long last, string replay, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = Bind(connection.Command(dialect.ReadArchive), range).With("after", after).With("last", last).With("limit", PageSize);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var rows = new List<Sent>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            rows.Add(new Sent(reader.GetInt64(0), new Envelope
            {
                MessageId = dialect.ReadGuid(reader, 1),
                PartitionKey = reader.IsDBNull(2) ? null : reader.GetString(2),
                KeySequence = reader.IsDBNull(3) ? null : reader.GetInt64(3),
                Type = reader.GetString(4),
                Headers = new Dictionary<string, string>(reader.IsDBNull(5) ? Envelope.NoHeaders : SqlOutboxStore.ReadHeaders(reader.GetString(5)), StringComparer.Ordinal) { [MessageHeaders.Replay] = replay },
                ContentType = reader.GetString(6),
                Body = reader.GetFieldValue<byte[]>(7),
                CreatedAt = reader.GetDateTime(8),
                Source = source,
            }));
        }
        // In a database that was restored two rows may have one number: a page never ends between them.
        if (rows.Count == PageSize && rows[0].Sequence < rows[^1].Sequence)
            rows.RemoveAll(IsOf(rows[^1].Sequence));
        return rows;
    }

    private static Predicate<Sent> IsOf(long sequence) => row => row.Sequence == sequence;

    private static DbCommand Bind(DbCommand command, Range range) => command
        .With("from", range.From, DbType.DateTime).With("to", range.To, DbType.DateTime)
        .With("type", range.Type, DbType.String).With("key", range.Key, DbType.String);
}

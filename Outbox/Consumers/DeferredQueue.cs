using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Diagnostics;
using Outbox.Inbox;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <summary>The messages that one consumer has deferred, in its own database: what failed and is tried again, and what waits behind it under the same key.</summary>
/// <remarks>
/// A message goes in, on and out by the transactions that also decide its fate: it is in the table or it is not, whatever dies in between (G6).
/// Any process of the service may take one up. Who does holds its row (<see cref="HoldAsync"/>), and only the first row of a key is taken up, so a key's messages stay in their order (G3)
/// however many look and however long one of them sleeps: a row that was dealt with meanwhile is gone, or shows another number of attempts or another state.
/// </remarks>
internal sealed class DeferredQueue(string consumer, SqlDialect dialect, PreparedStatements? statements = null)
{
    private readonly PreparedStatements _statements = statements ?? PreparedStatements.None;

    /// <summary>Rows of one statement; its parameters stay far below what any engine allows.</summary>
    private const int RowsOfStatement = 50;

    /// <summary>So many are planned faster as single values than as arrays.</summary>
    private const int FewRows = 2;

    public ErrorTexts Texts { get; } = new();

    /// <summary>A message to be deferred.</summary>
    /// <param name="Incoming">The message.</param>
    /// <param name="State">Its state.</param>
    /// <param name="Attempts">Failed attempts.</param>
    /// <param name="Error">Why.</param>
    /// <param name="Wait">Until it is looked at; null: until what is before it is dealt with.</param>
    /// <param name="Reason">Why, if there is no error.</param>
    internal sealed record Entry(IncomingMessage Incoming, string State, int Attempts, Exception? Error, TimeSpan? Wait, string? Reason = null);

    /// <summary>A row as it was read.</summary>
    /// <param name="Message">The message.</param>
    /// <param name="IsFirst">Whether it is the first of its key.</param>
    /// <param name="First">The first of its key.</param>
    /// <param name="State">Its state.</param>
    /// <param name="Due">Until it is due.</param>
    internal sealed record Listed(IncomingMessage Message, bool IsFirst, long First, string State, TimeSpan Due);

    public async Task<HashSet<string>> WaitingKeysAsync(DbTransaction transaction, IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        var waiting = new HashSet<string>(StringComparer.Ordinal);
        if (keys.Count == 0)
            return waiting;
        var command = transaction.Connection!.Command(dialect.FindDeferredKeys, transaction).With("consumer", consumer).With("keys", dialect.KeysParameter([.. keys]));
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            waiting.Add(reader.GetString(0));
        return waiting;
    }

    /// <summary>Defers messages, in this order. One that is deferred already stays as it is.</summary>
    public async Task AddAsync(DbTransaction transaction, IReadOnlyCollection<Entry> entries, CancellationToken cancellationToken)
    {
        foreach (var some in entries.Chunk(RowsOfStatement))
        {
            if (some.Length > FewRows && dialect.InsertDeferredTogether is { } together)
            {
                await _statements.ExecuteAsync(BindAll(transaction.Connection!.Command(together, transaction).With("consumer", consumer), some), cancellationToken).ConfigureAwait(false);
                continue;
            }
            var command = transaction.Connection!.Command(dialect.InsertDeferred(some.Length), transaction).With("consumer", consumer);
            for (var i = 0; i < some.Length; i++)
                Bind(command, i.ToString(CultureInfo.InvariantCulture), some[i]);
            await _statements.ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Bind(DbCommand command, string number, Entry entry)
    {
        var incoming = entry.Incoming;
        command
            .With("message_id" + number, incoming.MessageId!.Value)
            .With("partition_key" + number, incoming.OrderKey, DbType.String)
            .With("key_sequence" + number, incoming.KeySequence, DbType.Int64)
            .With("source" + number, IncomingMessage.Fit(incoming.Source, 1_000), DbType.String)
            .With("original_id" + number, IncomingMessage.Fit(incoming.OriginalId, 1_000), DbType.String)
            .With("type" + number, IncomingMessage.Fit(incoming.Type, 1_000), DbType.String)
            .With("headers" + number, incoming.HeadersJson, DbType.String)
            .With("content_type" + number, IncomingMessage.Fit(incoming.Delivery.ContentType, 1_000), DbType.String)
            .With("body" + number, BodyOf(entry))
            .With("state" + number, entry.State)
            .With("attempts" + number, entry.Attempts)
            .With("reason" + number, entry.Reason ?? ReasonOf(entry.Error), DbType.String)
            .With("error" + number, ErrorOf(entry.Error), DbType.String)
            .With("wait" + number, WaitOf(entry), DbType.Int64);
    }

    private DbCommand BindAll(DbCommand command, Entry[] entries)
    {
        IncomingMessage[] messages = [.. entries.Select(e => e.Incoming)];
        return command
            .With("message_id", messages.Select(m => m.MessageId!.Value).ToArray())
            .With("partition_key", messages.Select(m => m.OrderKey).ToArray())
            .With("key_sequence", messages.Select(m => m.KeySequence).ToArray())
            .With("source", messages.Select(m => IncomingMessage.Fit(m.Source, 1_000)).ToArray())
            .With("original_id", messages.Select(m => IncomingMessage.Fit(m.OriginalId, 1_000)).ToArray())
            .With("type", messages.Select(m => IncomingMessage.Fit(m.Type, 1_000)).ToArray())
            .With("headers", messages.Select(m => m.HeadersJson).ToArray())
            .With("content_type", messages.Select(m => IncomingMessage.Fit(m.Delivery.ContentType, 1_000)).ToArray())
            .With("body", entries.Select(BodyOf).ToArray())
            .With("state", entries.Select(e => e.State).ToArray())
            .With("attempts", entries.Select(e => e.Attempts).ToArray())
            .With("reason", entries.Select(e => e.Reason ?? ReasonOf(e.Error)).ToArray())
            .With("error", entries.Select(e => ErrorOf(e.Error)).ToArray())
            .With("wait", entries.Select(WaitOf).ToArray());
    }

    private static byte[] BodyOf(Entry entry) => entry.State == DeferredState.Dead ? [] : entry.Incoming.Delivery.Body.ToArray();

    private static long? WaitOf(Entry entry) => entry.Wait is { } wait ? (long)wait.TotalMilliseconds : null;

    /// <summary>What is due, without those that are being tried, and the first of what is not due yet.</summary>
    public async Task<IReadOnlyList<Listed>> ListAsync(DbConnection connection, IReadOnlyList<long> busy, int limit, CancellationToken cancellationToken) =>
        await ReadAsync(connection.Command(dialect.ListDeferred).With("consumer", consumer).With("busy", dialect.SequencesParameter(busy)).With("limit", limit), cancellationToken).ConfigureAwait(false);

    /// <summary>The first messages of a key, in their order.</summary>
    public async Task<IReadOnlyList<Listed>> OfKeyAsync(DbConnection connection, string key, int limit, CancellationToken cancellationToken) =>
        await ReadAsync(connection.Command(dialect.ReadDeferredOfKey).With("consumer", consumer).With("key", key).With("limit", limit), cancellationToken).ConfigureAwait(false);

    /// <summary>The deferred messages of a key with higher numbers, in the order of these.</summary>
    public async Task<IReadOnlyList<Listed>> NumbersOfKeyAsync(DbConnection connection, string key, long after, int limit, CancellationToken cancellationToken) =>
        await ReadAsync(connection.Command(dialect.ReadNumbersOfKey).With("consumer", consumer).With("key", key).With("after", after).With("limit", limit), cancellationToken).ConfigureAwait(false);

    /// <summary>Lets a deferred message wait for an earlier number of its key.</summary>
    /// <param name="transaction">Holds the key.</param>
    /// <param name="row">The message's row.</param>
    /// <param name="state">Its state while it waits.</param>
    /// <param name="reason">What it waits for.</param>
    /// <param name="wait">Until it is looked at again, should that not come; null: never.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForNumberAsync(DbTransaction transaction, DeferredRow row, string state, string reason, TimeSpan? wait, CancellationToken cancellationToken) =>
        transaction.Connection!.Command(dialect.WaitForNumber, transaction).With("id", row.Id).With("state", state).With("reason", reason, DbType.String)
            .With("wait", wait is { } until ? (long)until.TotalMilliseconds : null, DbType.Int64).ExecuteAsync(cancellationToken);

    /// <summary>Takes hold of messages until the transaction ends.</summary>
    public async Task<HeldRows> HoldAsync(DbTransaction transaction, IReadOnlyCollection<long> ids, CancellationToken cancellationToken)
    {
        var held = new HeldRows();
        if (ids.Count == 0)
            return held;
        var command = transaction.Connection!.Command(dialect.LockDeferred, transaction).With("consumer", consumer).With("ids", dialect.SequencesParameter([.. ids.Distinct()]));
        await using var _ = command.ConfigureAwait(false);
        var reader = await LookFor(ids.Count).ReadAsync(command, cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            held.Add(reader.GetInt64(0), Convert.ToInt32(reader.GetValue(1), CultureInfo.InvariantCulture), NumberOf(reader, 2), NumberOf(reader, 3), reader.GetString(4));
        return held;
    }

    /// <summary>Removes messages that were dealt with, and makes what comes first of their keys now due.</summary>
    /// <param name="transaction">Holds them.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="keyOf">The key in whose order a message is handled.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many of those that come first now are due because of it.</returns>
    public Task<int> RemoveAsync(DbTransaction transaction, IReadOnlyCollection<IncomingMessage> messages, Func<IncomingMessage, string?> keyOf, CancellationToken cancellationToken) =>
        RemoveAsync(transaction, [.. messages.Select(m => m.Row!.Id)], [.. messages.Select(keyOf).OfType<string>().Distinct(StringComparer.Ordinal)], cancellationToken);

    private async Task<int> RemoveAsync(DbTransaction transaction, IReadOnlyList<long> ids, IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
            return 0;
        await _statements.ExecuteAsync(transaction.Connection!.Command(dialect.DeleteDeferred, transaction).With("ids", dialect.SequencesParameter(ids)), cancellationToken).ConfigureAwait(false);
        return keys.Count == 0 ? 0
            : await LookFor(keys.Count).ExecuteAsync(transaction.Connection!.Command(dialect.PromoteDeferred, transaction).With("consumer", consumer).With("keys", dialect.KeysParameter(keys)), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes further failures down.</summary>
    public async Task AgainAsync(DbTransaction transaction, IReadOnlyCollection<Entry> entries, CancellationToken cancellationToken)
    {
        if (entries.Count > FewRows && dialect.DeferAgainTogether is { } together)
        {
            await _statements.ExecuteAsync(transaction.Connection!.Command(together, transaction)
                .With("id", entries.Select(e => e.Incoming.Row!.Id).ToArray()).With("state", entries.Select(e => e.State).ToArray()).With("attempts", entries.Select(e => e.Attempts).ToArray())
                .With("reason", entries.Select(e => ReasonOf(e.Error)).ToArray()).With("error", entries.Select(NewErrorOf).ToArray()).With("wait", entries.Select(e => WaitOf(e) ?? 0).ToArray()), cancellationToken).ConfigureAwait(false);
            return;
        }
        foreach (var some in entries.Chunk(RowsOfStatement))
        {
            var command = transaction.Connection!.Command(dialect.DeferAgain(some.Length), transaction);
            for (var i = 0; i < some.Length; i++)
            {
                var (number, entry) = (i.ToString(CultureInfo.InvariantCulture), some[i]);
                command
                    .With("id" + number, entry.Incoming.Row!.Id).With("state" + number, entry.State).With("attempts" + number, entry.Attempts)
                    .With("reason" + number, ReasonOf(entry.Error), DbType.String).With("error" + number, NewErrorOf(entry), DbType.String)
                    .With("wait" + number, WaitOf(entry) ?? 0);
            }
            await _statements.ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Keeps the place of a message that is a dead letter now.</summary>
    public Task BuryAsync(DbTransaction transaction, DeferredRow row, int attempts, Exception error, CancellationToken cancellationToken) =>
        transaction.Connection!.Command(dialect.BuryDeferred, transaction).With("id", row.Id).With("attempts", attempts).With("reason", ReasonOf(error), DbType.String).With("empty", Array.Empty<byte>()).ExecuteAsync(cancellationToken);

    /// <summary>Puts a dead message back: into the place that was kept for it, or behind what its key has.</summary>
    public async Task PutBackAsync(DbTransaction transaction, Guid messageId, DeferredDelivery delivery, CancellationToken cancellationToken)
    {
        var incoming = new IncomingMessage(delivery, new DeferredRow(0, messageId, 0));
        var restored = await transaction.Connection!.Command(dialect.RestoreDeferred, transaction)
            .With("consumer", consumer).With("message_id", messageId)
            .With("type", IncomingMessage.Fit(incoming.Type, 1_000), DbType.String).With("headers", incoming.HeadersJson, DbType.String)
            .With("content_type", IncomingMessage.Fit(delivery.ContentType, 1_000), DbType.String).With("body", delivery.Body.ToArray())
            .ExecuteAsync(cancellationToken).ConfigureAwait(false);
        if (restored == 0)
            await PutBehindAsync(transaction, [(messageId, delivery)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts dead messages back behind what their keys have, in this order.</summary>
    public Task PutBehindAsync(DbTransaction transaction, IReadOnlyList<(Guid MessageId, DeferredDelivery Delivery)> messages, CancellationToken cancellationToken) =>
        AddAsync(transaction, [.. messages.Select(m => new Entry(new IncomingMessage(m.Delivery, new DeferredRow(0, m.MessageId, 0)), DeferredState.Failed, 0, null, TimeSpan.Zero))], cancellationToken);

    /// <summary>Gives up the place that was kept for a dead message, if there is one: its key goes on.</summary>
    public async Task UnburyAsync(DbTransaction transaction, Guid messageId, CancellationToken cancellationToken)
    {
        (long Id, string? Key, long? Number, string? Source)? place = null;
        var command = transaction.Connection!.Command(dialect.FindBuried, transaction).With("consumer", consumer).With("message_id", messageId);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = reader.ConfigureAwait(false);
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                place = (reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetString(1), NumberOf(reader, 2), reader.IsDBNull(3) ? null : reader.GetString(3));
        }
        if (place is not var (id, key, number, source))
            return;
        // Before the row, as consumers do.
        if (key is not null && number is { } given)
            await new InboxKeys(consumer, dialect).GiveUpAsync(transaction, source, key, given, cancellationToken).ConfigureAwait(false);
        await RemoveAsync(transaction, [id], key is null ? [] : [key], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets messages that are due wait behind the first of their key. One whose first is at work at this moment is left as it is: it may be the first itself soon.</summary>
    public async Task ParkAsync(DbTransaction transaction, IReadOnlyCollection<Listed> behind, CancellationToken cancellationToken)
    {
        // Under the hold of the first: whoever removes that one promotes what is parked, and cannot do so between our look and our write.
        var held = await HoldAsync(transaction, [.. behind.Select(b => b.First).Distinct()], cancellationToken).ConfigureAwait(false);
        var ids = behind.Where(b => held.Contains(b.First)).Select(b => b.Message.Row!.Id).ToList();
        if (ids.Count > 0)
            await transaction.Connection!.Command(dialect.ParkDeferred, transaction).With("ids", dialect.SequencesParameter(ids)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes everything due that waits behind another.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="state">In this state alone.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<int> UnparkAsync(DbConnection connection, string state, CancellationToken cancellationToken) =>
        connection.Command(dialect.UnparkDeferred).With("consumer", consumer).With("state", state).ExecuteAsync(cancellationToken);

    private async Task<IReadOnlyList<Listed>> ReadAsync(DbCommand command, CancellationToken cancellationToken)
    {
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<Listed>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var id = reader.GetInt64(0);
            var first = NumberOf(reader, 1) ?? id;
            var attempts = Convert.ToInt32(reader.GetValue(4), CultureInfo.InvariantCulture);
            var (state, age) = (reader.GetString(3), TimeSpan.FromSeconds(-Convert.ToDouble(reader.GetValue(11), CultureInfo.InvariantCulture)));
            var row = new DeferredRow(id, dialect.ReadGuid(reader, 5), attempts, state, age, reader.IsDBNull(12) ? null : reader.GetString(12));
            rows.Add(new Listed(new IncomingMessage(DeferredDelivery.Read(reader, 6), row), first == id, first, state, TimeSpan.FromSeconds(Convert.ToDouble(reader.GetValue(2), CultureInfo.InvariantCulture))));
        }
        return rows;
    }

    /// <summary>The table is empty most of the time, and a plan that PostgreSQL keeps from then reads all of it until it is analysed again: little for one message or key, much for each of many.</summary>
    private PreparedStatements LookFor(int many) => many == 1 ? _statements : PreparedStatements.None;

    private static long? NumberOf(DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetInt64(ordinal);

    private static string? ReasonOf(Exception? error) => error is null ? null : IncomingMessage.Fit(MessageProcessor.ReasonOf(error), 2_000);

    /// <summary>The text of a stack costs more than most handlers, so one that failed for the same reason as before keeps what is written.</summary>
    private string? NewErrorOf(Entry entry) => entry.Incoming.Row is { Attempts: > 0, Reason: { } reason } && reason == ReasonOf(entry.Error) ? null : ErrorOf(entry.Error);

    private string? ErrorOf(Exception? error) => error is null ? null : IncomingMessage.Fit(Texts.Of(error), 8_000);

    /// <summary>Rows that a transaction holds.</summary>
    internal sealed class HeldRows
    {
        private readonly Dictionary<long, (int Attempts, long? First, long? Last, string State)> _rows = [];

        public void Add(long id, int attempts, long? first, long? last, string state) => _rows.Add(id, (attempts, first, last, state));

        public bool Contains(long id) => _rows.ContainsKey(id);

        /// <summary>Whether it is held, and as it was when it was read: G3, one that an operator had put back and that waits for its turn by now is not to be taken for one that need not wait.</summary>
        public bool IsUnchanged(DeferredRow row) => _rows.TryGetValue(row.Id, out var held) && held.Attempts == row.Attempts && held.State == row.State;

        /// <summary>The first row of its key.</summary>
        public long? FirstOf(DeferredRow row) => _rows[row.Id].First;

        /// <summary>Whether rows of its key come after it.</summary>
        public bool IsFollowed(DeferredRow row) => _rows[row.Id].Last is { } last && last > row.Id;
    }
}

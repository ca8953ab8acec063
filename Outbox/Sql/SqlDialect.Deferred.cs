using System.Globalization;
using Newtonsoft.Json;

namespace Outbox.Sql;

/// <content>Messages that a consumer has deferred.</content>
public abstract partial class SqlDialect
{
    /// <summary>The savepoint that a consumer's transaction goes back to when a handler fails.</summary>
    internal const string Savepoint = "before_handler";

    /// <summary>The columns of <see cref="ListDeferred"/> and <see cref="ReadDeferredOfKey"/>, after the number of the key's first row. The last two: seconds since it was deferred, negative, and why it failed last.</summary>
    private protected string DeferredColumns => $"d.state, d.attempts, {TextOfId("d.message_id")}, d.original_id, d.type, d.headers, d.content_type, d.body, {SecondsUntil("d.deferred_at")}, d.reason";

    private protected const string InsertedColumns = "consumer, message_id, partition_key, key_sequence, source, original_id, type, headers, content_type, body, state, attempts, reason, error";

    /// <summary>Records a message, and tells whether its key has deferred ones: @consumer, @message_id, @operation, @key. One row: 1 if it is new, 1 if its key waits.</summary>
    internal abstract string InsertInboxInOrder { get; }

    /// <summary>Takes back many messages that this transaction recorded: @consumer, @message_ids, @operation.</summary>
    internal abstract string DeleteManyInbox { get; }

    /// <summary>Which of some keys have deferred messages: @consumer, @keys. Column: the key.</summary>
    internal abstract string FindDeferredKeys { get; }

    /// <summary>Defers messages, in this order, unless they are deferred already: @consumer, and for each of them, with its number from 0 behind the name, @message_id, @partition_key, @key_sequence, @source, @original_id,
    /// @type, @headers, @content_type, @body, @state, @attempts, @reason, @error, @wait: milliseconds until the next attempt, or null while it waits behind another.</summary>
    internal abstract string InsertDeferred(int messages);

    /// <summary>What is due, and the first of what is not, the earliest first: @consumer, @busy: ids that are left out, @limit. Columns: id, the key's first id (null without a key), seconds until due, and <see cref="DeferredColumns"/>.</summary>
    internal abstract string ListDeferred { get; }

    /// <summary>The deferred messages of a key, in order: @consumer, @key, @limit. Columns as <see cref="ListDeferred"/>.</summary>
    internal abstract string ReadDeferredOfKey { get; }

    /// <summary>Takes hold of deferred messages until the transaction ends, leaving out those that another holds or has finished: @consumer, @ids. Columns: id, attempts, the first and the last id of its key (null without a key), and its state.</summary>
    internal abstract string LockDeferred { get; }

    /// <summary>Deletes deferred messages that were dealt with: @ids.</summary>
    internal abstract string DeleteDeferred { get; }

    /// <summary>Makes the first messages of some keys due, unless they are dead or wait for a number, or for their next attempt: @consumer, @keys.</summary>
    internal abstract string PromoteDeferred { get; }

    /// <summary>Lets messages wait behind an earlier one of their key, which the transaction holds: @ids.</summary>
    internal abstract string ParkDeferred { get; }

    /// <summary>Makes everything due that waits for another: @consumer, @state: <c>behind</c> or <c>gap</c>.</summary>
    internal abstract string UnparkDeferred { get; }

    /// <summary>Writes further failures down: for each of them, with its number from 0 behind the name, @id, @state, @attempts, @reason, @error (null: as before), @wait.</summary>
    internal string DeferAgain(int messages) => string.Join(";\n", Enumerable.Range(0, messages).Select(i => DeferAgainOf(i.ToString(CultureInfo.InvariantCulture))));

    private protected abstract string DeferAgainOf(string number);

    /// <summary><see cref="InsertDeferred"/> for any number of messages, with arrays for parameters, in their order. Null where there are none.</summary>
    internal virtual string? InsertDeferredTogether => null;

    /// <summary><see cref="DeferAgain"/> for any number of messages, with arrays for parameters. Null where there are none.</summary>
    internal virtual string? DeferAgainTogether => null;

    /// <summary>Whether a savepoint that a transaction went back to is still set there.</summary>
    internal virtual bool KeepsSavepoints => true;

    /// <summary>What a savepoint costs, as a share of a small statement.</summary>
    internal virtual double SavepointCost => 0.5;

    /// <summary>Sets <see cref="Savepoint"/>, which is set, anew: at the place that the transaction has come to. Null: the driver's own way costs no call.</summary>
    internal virtual string? MoveSavepoint => $"RELEASE SAVEPOINT {Savepoint}; SAVEPOINT {Savepoint}";

    /// <summary>The name of a transaction's first savepoint, where later ones of one name pile up on it until it is released. Null where they replace each other.</summary>
    internal virtual string? FirstSavepoint => null;

    /// <summary>Keeps a dead message's place in its key: @id, @attempts, @reason, @empty: no bytes. The bytes are in the dead letter.</summary>
    internal string BuryDeferred => $"UPDATE deferred_messages SET state = 'dead', body = @empty, attempts = @attempts, reason = @reason, error = NULL, last_failed_at = {Time}, next_attempt_at = NULL WHERE id = @id";

    /// <summary>Takes hold of the dead letters that an operator works on, until the transaction ends: @ids. Whoever wants the same ones waits, and then finds nothing.</summary>
    internal abstract string HoldDeadLetters { get; }

    /// <summary>Writes down what an operator does with dead letters, before it is done: @ids, @action, @actor, @reason, @keeps_body: 1 if their bodies are about to be replaced.</summary>
    internal abstract string RecordDeadLetterActions { get; }

    /// <summary>Consumers' dead letters, to be put back: @ids. Columns: id, consumer, message_id, original_id, type, headers, content_type, body, whether a place is kept for it among the deferred messages.</summary>
    internal abstract string ReadConsumerLetters { get; }

    /// <summary>Deletes consumers' dead letters that were put back: @ids.</summary>
    internal abstract string DeleteConsumerLetters { get; }

    /// <summary>Replaces a dead letter's body: @id, @body.</summary>
    internal string EditDeadLetter { get; } = "UPDATE dead_letters SET body = @body WHERE id = @id AND state IN ('dead', 'blocking')";

    /// <summary>Gives a message whose place was kept its content back, and makes it due: @consumer, @message_id, @type, @headers, @content_type, @body.</summary>
    internal string RestoreDeferred =>
        $"""
        UPDATE deferred_messages SET state = 'failed', attempts = 0, type = @type, headers = @headers, content_type = @content_type, body = @body, next_attempt_at = {Time}
        WHERE consumer = @consumer AND message_id = @message_id AND state = 'dead'
        """;

    /// <summary>The place that was kept for a dead message: @consumer, @message_id. Columns: id, partition_key, key_sequence, source.</summary>
    internal string FindBuried { get; } = "SELECT id, partition_key, key_sequence, source FROM deferred_messages WHERE consumer = @consumer AND message_id = @message_id AND state = 'dead'";

    /// <summary>What operators did with dead letters, the last first: @id: of this one, or null; @limit. Columns: acted_at, dead_letter_id, side, consumer, message id as text, action, actor, reason, whether a body is kept.</summary>
    internal abstract string ListDeadLetterActions { get; }

    /// <summary>A message id as <see cref="ReadGuid"/> takes it.</summary>
    private protected virtual string TextOfId(string column) => column;

    /// <summary>A time so many milliseconds from now.</summary>
    private protected abstract string After(string milliseconds);

    /// <summary>Binds a list of keys to a parameter.</summary>
    internal virtual object KeysParameter(IReadOnlyList<string> keys) => JsonConvert.SerializeObject(keys);

    /// <summary>The parameters of <see cref="InsertDeferred"/> for one message, in parentheses.</summary>
    private protected string DeferredValues(int i)
    {
        var number = i.ToString(CultureInfo.InvariantCulture);
        var wait = $"@wait{number}";
        return $"(@consumer, @message_id{number}, @partition_key{number}, @key_sequence{number}, @source{number}, @original_id{number}, @type{number}, @headers{number}, @content_type{number}, @body{number}, "
            + $"@state{number}, @attempts{number}, @reason{number}, @error{number}, CASE WHEN @attempts{number} > 0 THEN {Time} END, {After(wait)})";
    }

    private protected string DeferredValues(int messages, string separator) => string.Join(separator, Enumerable.Range(0, messages).Select(DeferredValues));
}

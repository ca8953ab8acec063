namespace Outbox.Sql;

/// <content>What an operator asks: the life of one message, what is deferred, what is dead.</content>
/// <remarks>No statement here walks a table that grows with the traffic: one that has no index for what is asked is read in pages, and the caller ends it.</remarks>
public abstract partial class SqlDialect
{
    // ── One message ─────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Looks for a message in a page of the outbox, which has no index by message id: @partition, @after, @limit, @message_id.
    /// Columns: the last sequence of the page, null at the end; its rows; the sequence of the message, or null.</summary>
    internal string ScanMessages => Scan("outbox_messages", "sequence", $"m.{Partition} = @partition AND m.sequence > @after", $"m.{Partition}, m.sequence");

    /// <summary>Looks for a message in a page of the scheduled rows: @after, @limit, @message_id. Columns as <see cref="ScanMessages"/>, with the rows' ids.</summary>
    internal string ScanScheduled => Scan("outbox_scheduled", "id", "m.id > @after", "m.id");

    /// <summary>A row of the outbox: @partition, @sequence. Columns: type, partition_key, created_at, not_before.</summary>
    internal string ReadWaitingMessage => $"SELECT type, partition_key, created_at, not_before FROM outbox_messages AS m{WithoutWaiting} WHERE m.{Partition} = @partition AND m.sequence = @sequence";

    /// <summary>A scheduled row: @id. Columns: type, partition_key, created_at, not_before, partition, sequence.</summary>
    internal string ReadScheduledMessage => $"SELECT type, partition_key, created_at, not_before, {Partition}, sequence FROM outbox_scheduled AS m{WithoutWaiting} WHERE m.id = @id";

    /// <summary>What the archive holds of a message: @message_id. Columns: type, partition_key, created_at, published_at, outcome, partition, sequence.</summary>
    internal string FindArchived => $"SELECT type, partition_key, created_at, published_at, outcome, {Partition}, sequence FROM outbox_archive AS m{WithoutWaiting} WHERE {IsMessage("m.message_id")}";

    /// <summary>The dead letters of a message, on either side: @message_id. The inner look finds them in an index, without their bodies.
    /// Columns: type, partition_key, created_at, first_failed_at, last_failed_at, id, side, consumer, state, attempts, reason, partition, sequence.</summary>
    internal string FindDeadLetters =>
        $"""
        SELECT d.type, d.partition_key, d.created_at, d.first_failed_at, d.last_failed_at, d.id, d.side, d.consumer, d.state, d.attempts, d.reason, d.{Partition}, d.sequence FROM dead_letters AS d{WithoutWaiting}
        WHERE d.id IN (SELECT f.id FROM dead_letters AS f{WithoutWaiting} WHERE {IsMessage("f.message_id")}) ORDER BY d.id
        """;

    /// <summary>The first consumer above @after that this database knows of, null at the end: a look into an index for each consumer, instead of all of the inbox.</summary>
    internal string NextConsumer =>
        $"""
        SELECT min(name) FROM (
            SELECT min(i.consumer) AS name FROM inbox_messages AS i{WithoutWaiting} WHERE i.consumer > @after
            UNION ALL SELECT min(m.consumer) FROM deferred_messages AS m{WithoutWaiting} WHERE m.consumer > @after
            UNION ALL SELECT min(d.consumer) FROM dead_letters AS d{WithoutWaiting} WHERE d.side = 'consumer' AND d.consumer > @after) AS names
        """;

    /// <summary>Whether a consumer has applied a message: @consumer, @message_id. Columns: operation, received_at.</summary>
    internal string FindApplied => $"SELECT i.operation, i.received_at FROM inbox_messages AS i{WithoutWaiting} WHERE i.consumer = @consumer AND {IsMessage("i.message_id")}";

    /// <summary>Whether a consumer has deferred a message: @consumer, @message_id. Columns: type, partition_key, deferred_at, state, attempts, reason, next_attempt_at.</summary>
    internal string FindDeferred =>
        $"SELECT m.type, m.partition_key, m.deferred_at, m.state, m.attempts, m.reason, m.next_attempt_at FROM deferred_messages AS m{WithoutWaiting} WHERE m.consumer = @consumer AND {IsMessage("m.message_id")}";

    /// <summary>What operators did with the dead letters of a message, in order: @message_id. Columns: acted_at, dead_letter_id, side, consumer, action, actor, reason.</summary>
    internal string FindDeadLetterActions => $"SELECT a.acted_at, a.dead_letter_id, a.side, a.consumer, a.action, a.actor, a.reason FROM dead_letter_actions AS a{WithoutWaiting} WHERE {IsMessage("a.message_id")} ORDER BY a.id";

    // ── What is deferred ────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Deferred messages above an id, in order: @after, @limit, and @consumer, @state, @type, @key, each null for any.
    /// Columns: id, consumer, state, attempts, message id, type, partition_key, reason, deferred_at, last_failed_at, next_attempt_at.</summary>
    internal string ListDeferredMessages => DeferredPage("m.id > @after", "m.id");

    /// <summary>As <see cref="ListDeferredMessages"/>, those below an id, the last first.</summary>
    internal string ListDeferredMessagesBack => DeferredPage("m.id < @after", "m.id DESC");

    // ── What is dead ────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Dead letters above an id, in order: @after, @limit, and @ids, @side, @consumer, @type, @key, @since (of the last failure), @text (in the reason, in any case), each null for any; @state, null for those that wait for an operator.
    /// Columns: id, state, side, consumer, sequence, type, partition_key, message id, reason, attempts, first_failed_at, last_failed_at, source.</summary>
    internal string ListDeadLetters => LettersPage("d.id > @after", "d.id");

    /// <summary>As <see cref="ListDeadLetters"/>, those below an id, the last first.</summary>
    internal string ListDeadLettersBack => LettersPage("d.id < @after", "d.id DESC");

    /// <summary>As <see cref="ListDeadLetters"/>, in the order of the last failure, after one of a time and an id: also @at.</summary>
    internal string ListDeadLettersByFailure => LettersPage($"(d.last_failed_at > {Instant("@at")} OR (d.last_failed_at = {Instant("@at")} AND d.id > @after))", "d.last_failed_at, d.id");

    /// <summary>As <see cref="ListDeadLettersByFailure"/>, those before, the last first.</summary>
    internal string ListDeadLettersByFailureBack => LettersPage($"(d.last_failed_at < {Instant("@at")} OR (d.last_failed_at = {Instant("@at")} AND d.id < @after))", "d.last_failed_at DESC, d.id DESC");

    /// <summary>One dead letter, whatever its state: @id, and @limit: how much of its body. Columns as <see cref="ListDeadLetters"/>, then original_id, content_type, headers, error, partition, key_sequence, created_at, expires_at, the length of the body, the body.</summary>
    internal string ReadDeadLetter =>
        $"""
        SELECT {LetterColumns}, d.original_id, d.content_type, d.headers, d.error, d.{Partition}, d.key_sequence, d.created_at, d.expires_at, {LengthOf("d.body")}, {FirstOf("d.body", "@limit")}
        FROM dead_letters AS d WHERE d.id = @id
        """;

    /// <summary>As <see cref="ListDeadLetters"/>, only how many: without @after and @limit.</summary>
    internal string CountDeadLetters => $"SELECT count(*) FROM dead_letters AS d WHERE {ChosenByFilter}";

    // ── How fast it goes ────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>The highest number that the outbox has given out, committed or not; null before the first. What two looks differ by was written between them.</summary>
    internal abstract string ReadLastNumber { get; }

    private string LetterColumns => $"d.id, d.state, d.side, d.consumer, d.sequence, d.type, d.partition_key, {TextOfId("d.message_id")} AS message_id, d.reason, d.attempts, d.first_failed_at, d.last_failed_at, d.source";

    private string LettersPage(string place, string order) => Page($"{LetterColumns} FROM dead_letters AS d WHERE {place} AND {ChosenByFilter}", order);

    private string ChosenByFilter =>
        $"""
        {IsChosen("d.id")} AND (d.state = @state OR (@state IS NULL AND d.state IN ('dead', 'blocking')))
        AND (@side IS NULL OR d.side = @side) AND (@consumer IS NULL OR (d.side = 'consumer' AND d.consumer = @consumer))
        AND (@type IS NULL OR d.type = @type) AND (@key IS NULL OR d.partition_key = @key)
        AND (@since IS NULL OR d.last_failed_at >= {Instant("@since")}) AND (@text IS NULL OR {Holds("d.reason", "@text")})
        """;

    private string DeferredPage(string place, string order) => Page(
        $"""
        m.id, m.consumer, m.state, m.attempts, {TextOfId("m.message_id")} AS message_id, m.type, m.partition_key, m.reason, m.deferred_at, m.last_failed_at, m.next_attempt_at FROM deferred_messages AS m{WithoutWaiting}
        WHERE {place} AND (@consumer IS NULL OR m.consumer = @consumer) AND (@state IS NULL OR m.state = @state) AND (@type IS NULL OR m.type = @type) AND (@key IS NULL OR m.partition_key = @key)
        """, order);

    private string Scan(string table, string number, string place, string order) =>
        $"""
        SELECT max(number), count(*), max(CASE WHEN {IsMessage("message_id")} THEN number END)
        FROM ({Page($"m.{number} AS number, m.message_id FROM {table} AS m{WithoutWaiting} WHERE {place}", order)}) AS page
        """;

    /// <summary>After a table: what is committed, without waiting for those who change it.</summary>
    private protected virtual string WithoutWaiting => "";

    /// <summary>The first @limit rows of a query.</summary>
    private protected virtual string Page(string select, string order) => $"SELECT {select} ORDER BY {order} LIMIT @limit";

    /// <summary>Whether a column holds @message_id.</summary>
    private protected virtual string IsMessage(string column) => $"{column} = @message_id";

    /// <summary>Whether an id is one of @ids, or no ids are given.</summary>
    private protected abstract string IsChosen(string column);

    /// <summary>A parameter as the columns hold times.</summary>
    private protected virtual string Instant(string parameter) => parameter;

    /// <summary>Whether a column holds a text, in any case.</summary>
    private protected abstract string Holds(string column, string parameter);

    private protected abstract string LengthOf(string bytes);

    private protected virtual string FirstOf(string bytes, string length) => $"substring({bytes}, 1, {length})";
}

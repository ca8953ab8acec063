using System.Data;
using System.Data.Common;
using System.Globalization;

namespace Outbox.Sql;

/// <remarks>
/// Times are UTC in <c>datetime(6)</c>: <c>timestamp</c> ends in 2038. Ids are text, because only one of the two servers has a type for them.
/// The word <c>partition</c> is reserved, so this engine's statements quote it.
/// </remarks>
internal sealed partial class MySqlDialect : SqlDialect
{
    public override string Name => "MySql";

    internal override string Driver => "MySqlConnector.MySql";

    // The driver's own rule for ids hangs on the connection string (GuidFormat); text is text under all of them.
    internal override void Refine(DbParameter parameter)
    {
        if (parameter.Value is Guid id)
            parameter.Value = id.ToString("D");
        else if (parameter.DbType == DbType.Guid)
            parameter.DbType = DbType.String;
    }

    internal override Guid ReadGuid(DbDataReader reader, int ordinal) => Guid.Parse(reader.GetString(ordinal));

    // REPEATABLE READ locks gaps, and gap locks of two consumers deadlock.
    internal override IsolationLevel ConsumerIsolation => IsolationLevel.ReadCommitted;

    internal override LateRows LateRows => LateRows.WhileUncommitted;

    // A short wait for locks: a delete that waits holds the guard on its lease, and so would hold up the lease's own renewal.
    internal override string PrepareRelayConnection => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = 1";

    private protected override string Partition => "`partition`";

    private const string Columns =
        """
        m.sequence, CAST(m.message_id AS char(64)), m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at,
        CASE WHEN m.not_before > utc_timestamp(6) THEN timestampdiff(MICROSECOND, utc_timestamp(6), m.not_before) / 1e6 END,
        coalesce(m.expires_at <= utc_timestamp(6), 0)
        """;

    // FORCE INDEX: with the statistics of an empty table the optimizer may prefer the other index, or none.
    internal override string ReadMessages => $"SELECT {Columns} FROM outbox_messages m FORCE INDEX (PRIMARY) WHERE m.`partition` = @partition AND m.sequence > @after ORDER BY m.`partition`, m.sequence LIMIT @limit";

    private const string Wanted = "JSON_TABLE(@sequences, '$[*]' COLUMNS (sequence bigint PATH '$')) AS wanted STRAIGHT_JOIN outbox_messages m FORCE INDEX (PRIMARY) ON m.`partition` = @partition AND m.sequence = wanted.sequence";

    internal override string FetchMessages => $"SELECT {Columns} FROM {Wanted} ORDER BY m.sequence";

    // A range scan does not end at the range's end but at the next row that is visible, and walks over everything dead on its way; a look at one number ends at once.
    // So small ranges become numbers, and one range covers the others. Ranges from a JSON table would be no ranges to the optimizer: it walks the partition once for each.
    internal override string ListSequences(IReadOnlyList<(long First, long Last)> spans)
    {
        var (numbers, range) = Split(spans);
        var conditions = new List<string>();
        if (numbers.Count > 0)
            conditions.Add($"sequence IN ({string.Join(", ", Enumerable.Range(0, numbers.Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"@n{i}")))})");
        if (range is not null)
            conditions.Add("sequence BETWEEN @low AND @high");
        return $"SELECT sequence FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` = @partition AND ({string.Join(" OR ", conditions)}) ORDER BY `partition`, sequence LIMIT @limit";
    }

    // SET TRANSACTION without SESSION is for the next transaction only, here that one SELECT.
    internal override string? ListUncommitted(IReadOnlyList<(long First, long Last)> spans) => $"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; {ListSequences(spans)}";

    internal override void BindSpans(DbCommand command, IReadOnlyList<(long First, long Last)> spans)
    {
        var (numbers, range) = Split(spans);
        for (var i = 0; i < numbers.Count; i++)
            command.With(string.Create(CultureInfo.InvariantCulture, $"n{i}"), numbers[i]);
        if (range is var (low, high))
            command.With("low", low).With("high", high);
    }

    private static (List<long> Numbers, (long Low, long High)? Range) Split(IReadOnlyList<(long First, long Last)> spans)
    {
        const int narrow = 8;
        var numbers = new List<long>();
        (long Low, long High)? range = null;
        foreach (var (first, last) in spans)
        {
            if (last - first < narrow)
                numbers.AddRange(Enumerable.Range(0, (int)(last - first) + 1).Select(i => first + i));
            else
                range = (range?.Low ?? first, last);
        }
        // What the range covers anyway need not be asked for twice.
        numbers.RemoveAll(n => n >= range?.Low && n <= range?.High);
        return (numbers, range);
    }

    // The shared lock keeps the token as it is until the delete has committed.
    private const string IfHeld = "EXISTS (SELECT 1 FROM leases WHERE name = @lease AND token = @token LOCK IN SHARE MODE)";

    internal override string SettleMessages => $"DELETE m FROM {Wanted} WHERE {IfHeld}";

    internal override IReadOnlyList<string> ArchiveMessages =>
    [
        $"""
        INSERT IGNORE INTO outbox_archive (sequence, message_id, `partition`, partition_key, key_sequence, type, headers, content_type, body, created_at, not_before, expires_at, outcome)
        SELECT m.sequence, m.message_id, m.`partition`, m.partition_key, m.key_sequence, m.type, m.headers, m.content_type, m.body, m.created_at, m.not_before, m.expires_at, @outcome
        FROM {Wanted} WHERE {IfHeld}
        """,
        SettleMessages,
    ];

    internal override string DeleteOldArchive => DeleteOld("outbox_archive", "published_at");

    internal override string? ReadLastSequence => null;

    internal override string? ListWriters => null;


    // LAST_INSERT_ID(x) remembers x for this session: the token if the lease was taken, else 0. Assignments run from left to right, so expires_at comes last.
    private protected override string Expiry => "utc_timestamp(6) + INTERVAL @milliseconds * 1000 MICROSECOND";

    private protected override string SecondsUntil(string time) => $"timestampdiff(MICROSECOND, utc_timestamp(6), {time}) / 1e6";

    private protected override string FirstRow(int i) => FormattableString.Invariant($"SELECT m.`partition` AS number FROM outbox_messages m FORCE INDEX (PRIMARY) WHERE m.`partition` = @p{i} AND m.sequence > @f{i} ORDER BY m.`partition`, m.sequence LIMIT 1");

    private protected override string Heartbeat => $"INSERT INTO relays (owner, expires_at, status) VALUES (@owner, {Expiry}, @status) ON DUPLICATE KEY UPDATE expires_at = {Expiry}, status = @status";

    internal override string AcquireLease =>
        $"""
        INSERT INTO leases (name, owner, token, expires_at, acquired_at) VALUES (@name, @owner, LAST_INSERT_ID(1), {Expiry}, utc_timestamp(6))
        ON DUPLICATE KEY UPDATE token = IF(expires_at <= utc_timestamp(6), LAST_INSERT_ID(token + 1), token + 0 * LAST_INSERT_ID(0)),
            owner = IF(expires_at <= utc_timestamp(6), @owner, owner),
            acquired_at = IF(expires_at <= utc_timestamp(6), utc_timestamp(6), acquired_at),
            expires_at = IF(expires_at <= utc_timestamp(6), {Expiry}, expires_at);
        SELECT CAST(LAST_INSERT_ID() AS SIGNED) FROM DUAL WHERE LAST_INSERT_ID() > 0
        """;

    internal override string RenewLease => $"UPDATE leases SET expires_at = {Expiry} WHERE name = @name AND token = @token";

    internal override string ReleaseLease => $"UPDATE leases SET expires_at = {Ended} WHERE name = @name AND token = @token";

    internal override string InsertInbox => "INSERT IGNORE INTO inbox_messages (consumer, message_id, operation) VALUES (@consumer, @message_id, @operation)";

    private const string Messages = "JSON_TABLE(@message_ids, '$[*]' COLUMNS (id char(36) CHARACTER SET ascii PATH '$')) AS message";

    internal override string InsertManyInbox => $"INSERT IGNORE INTO inbox_messages (consumer, message_id, operation) SELECT @consumer, message.id, @operation FROM {Messages}";

    // MariaDB could return the inserted rows, MySQL cannot.
    internal override string? FindInbox =>
        $"SELECT CAST(i.message_id AS char(64)) FROM {Messages} STRAIGHT_JOIN inbox_messages i FORCE INDEX (PRIMARY) ON i.consumer = @consumer AND i.message_id = message.id AND i.operation = @operation";

    internal override string DeleteOldInbox => DeleteOldInboxOf("operation = ''");

    // Not by the primary key, which knows the consumer and not the age.
    private string DeleteOldInboxOf(string operation) => DeleteOld("inbox_messages", "received_at", $"concat(consumer, '') = @consumer AND {operation}");

    internal override string InsertDeadLetter =>
        """
        INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state)
        VALUES (@side, @consumer, @source, @message_id, @original_id, @type, @partition_key, @headers, @content_type, @body, @reason, @error, @attempts, @state)
        ON DUPLICATE KEY UPDATE reason = @reason, error = @error, attempts = attempts + @attempts, last_failed_at = utc_timestamp(6), state = @state
        """;

    internal override string ReadBacklog =>
        """
        SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` = @partition LIMIT @limit) AS waiting) AS counted,
            (SELECT max(sequence) - min(sequence) + 1 FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` = @partition) AS span,
            (SELECT timestampdiff(MICROSECOND, min(greatest(created_at, coalesce(not_before, created_at))), utc_timestamp(6)) / 1e6
             FROM (SELECT created_at, not_before FROM outbox_messages FORCE INDEX (PRIMARY) WHERE `partition` = @partition ORDER BY `partition`, sequence LIMIT 1000) AS first
             WHERE greatest(created_at, coalesce(not_before, created_at)) <= utc_timestamp(6)) AS seconds
        """;
}

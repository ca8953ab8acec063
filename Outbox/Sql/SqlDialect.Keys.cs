namespace Outbox.Sql;

/// <content>A consumer's progress in the numbers of keys, and what its processes say of themselves.</content>
public abstract partial class SqlDialect
{
    /// <summary>Where some keys stand, held until the transaction ends, in the order of the keys: @consumer, @source, @keys. Columns: partition_key, last_sequence, skipped.</summary>
    internal abstract string LockInboxKeys { get; }

    /// <summary>Begins keys that are new: @consumer, @source, @numbers: of each the key and the number that counts as its last.</summary>
    internal abstract string AddInboxKeys { get; }

    /// <summary>Writes how far keys have come: @consumer, @source, @numbers: of each the key and its last number.</summary>
    internal abstract string MoveInboxKeys { get; }

    /// <summary>Writes how far one key has come, and what it has passed over: @consumer, @source, @key, @last, @skipped.</summary>
    internal string ChangeInboxKey { get; } = "UPDATE inbox_keys SET last_sequence = @last, skipped = @skipped WHERE consumer = @consumer AND source = @source AND partition_key = @key";

    /// <summary>Makes the messages due that waited for the number before theirs: @consumer, @numbers: of each the key and the number that has its turn now. Lower ones too, or one whose number was passed while it waited would wait for ever.</summary>
    internal abstract string PromoteNumbers { get; }

    /// <summary>The deferred messages of a key with higher numbers, in the order of these: @consumer, @key, @after, @limit. Columns as <see cref="ListDeferred"/>.</summary>
    internal abstract string ReadNumbersOfKey { get; }

    /// <summary>Lets a deferred message wait for an earlier number: @id, @state, @reason, @wait: milliseconds until it is looked at again, or null.</summary>
    internal string WaitForNumber => $"UPDATE deferred_messages SET state = @state, reason = @reason, next_attempt_at = {After("@wait")} WHERE id = @id";

    /// <summary>The lowest number of a key between two others that is deferred: @consumer, @source, @key, @last, @number.</summary>
    internal string FindLowerNumber { get; } =
        "SELECT min(key_sequence) FROM deferred_messages WHERE consumer = @consumer AND partition_key = @key AND key_sequence > @last AND key_sequence < @number AND coalesce(source, '') = @source";

    /// <summary>The keys that wait for a number that has not come, those that wait longest first: @consumer: of this one, or null; @limit.
    /// Columns: consumer, source, partition_key, the number that is missing, since how many seconds it is, how many messages wait.</summary>
    internal abstract string ListGaps { get; }

    /// <summary>A process of a consumer says that it lives, and how it is: @consumer, @owner, @milliseconds, @status.</summary>
    internal abstract string WriteConsumerStatus { get; }

    /// <summary>A process of a consumer has ended: @consumer, @owner. Those that died long ago go with it.</summary>
    internal string RemoveConsumerStatus => $"DELETE FROM consumer_status WHERE (consumer = @consumer AND owner = @owner) OR {SecondsUntil("expires_at")} < -86400";

    /// <summary>The live processes of consumers. Columns: consumer, owner, started_at, status.</summary>
    internal string ListConsumerStatus => $"SELECT consumer, owner, started_at, status FROM consumer_status WHERE {SecondsUntil("expires_at")} > 0 ORDER BY consumer, started_at, owner";

    /// <summary>What <see cref="ListGaps"/> says, for engines that limit at the end.</summary>
    private protected static string GapsOf(string since, string source = "w.source") =>
        $"""
        SELECT w.consumer, k.source, w.partition_key, k.last_sequence + 1, {since}, w.waiting
        FROM (SELECT d.consumer, coalesce(d.source, '') AS source, d.partition_key, min(d.deferred_at) AS since, count(*) AS waiting FROM deferred_messages d
            WHERE d.state = 'gap' AND d.consumer = coalesce(@consumer, d.consumer) GROUP BY d.consumer, coalesce(d.source, ''), d.partition_key) w
        JOIN inbox_keys k ON k.consumer = w.consumer AND k.source = {source} AND k.partition_key = w.partition_key
        WHERE NOT EXISTS (SELECT 1 FROM deferred_messages e WHERE e.consumer = w.consumer AND e.partition_key = w.partition_key AND e.key_sequence = k.last_sequence + 1)
        ORDER BY w.since
        """;
}

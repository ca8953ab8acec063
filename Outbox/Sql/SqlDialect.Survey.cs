using System.Globalization;

namespace Outbox.Sql;

/// <content>How a source stands, for those who watch it all the time: few statements, nothing counted beyond a limit, and nobody waited for.</content>
public abstract partial class SqlDialect
{
    /// <summary>What the connection of a survey is sent once.</summary>
    internal virtual string PrepareSurveyConnection => PrepareRelayConnection;

    /// <summary>
    /// How a source stands, in one statement: @limit: where counting ends. Columns: what, name, owner, number, other, seconds, status. A row
    /// <c>settings</c> (number = the partitions, other = those to come, or below zero the old ones that rows are being moved from);
    /// <c>sequence</c> (number = the last number that the outbox has given out);
    /// <c>rows</c> for each partition (name = the partition, number = the rows counted, other = the numbers from the lowest row to the highest, seconds = since the oldest could have been published, below zero if none can);
    /// <c>lease</c> for each lease (name, owner, number = token, seconds left);
    /// <c>relay</c> for each live relay (owner, seconds = since its start, status);
    /// <c>consumer</c> for each live process of a consumer (name = the consumer, owner, seconds = since its start, status);
    /// <c>letters</c> (name = side, owner = state, number counted); <c>keys</c> (name = side, number = keys that wait for an operator);
    /// <c>scheduled</c> (number); <c>stray</c> (number = rows in partitions that nobody reads);
    /// <c>deferred</c> for each consumer and state (name, owner = state, number, seconds = since the first was deferred).
    /// </summary>
    internal string Survey(int partitions)
    {
        var parts = new List<string>
        {
            "SELECT 'settings' AS what, '' AS name, '' AS owner, partitions AS number, COALESCE(next_partitions, 0) AS other, 0.0 AS seconds, '' AS status FROM outbox_settings",
            $"SELECT 'sequence', '', '', COALESCE({LastSequence}, 0), 0, 0.0, ''",
            $"SELECT 'lease', name, owner, token, 0, {SecondsUntil("expires_at")}, '' FROM ({Counted("leases", "1 = 1", "name, owner, token, expires_at")}) AS leases_",
            $"SELECT 'relay', '', owner, 0, 0, -{SecondsUntil("started_at")}, COALESCE(status, '') FROM relays WHERE {SecondsUntil("expires_at")} > 0",
            $"SELECT 'consumer', consumer, owner, 0, 0, -{SecondsUntil("started_at")}, COALESCE(status, '') FROM consumer_status WHERE {SecondsUntil("expires_at")} > 0",
            $"SELECT 'scheduled', '', '', COUNT(*), 0, 0.0, '' FROM ({Counted("outbox_scheduled", "1 = 1")}) AS scheduled_",
            $"SELECT 'stray', '', '', COUNT(*), 0, 0.0, '' FROM ({Counted("outbox_messages", $"{Partition} < 0")}) AS below_",
            $"SELECT 'stray', '', '', COUNT(*), 0, 0.0, '' FROM ({Counted("outbox_messages", string.Create(CultureInfo.InvariantCulture, $"{Partition} >= {partitions}"))}) AS above_",
            $"SELECT 'deferred', consumer, state, COUNT(*), 0, -MIN({SecondsUntil("deferred_at")}), '' FROM ({Counted("deferred_messages", "1 = 1", "consumer, state, deferred_at")}) AS deferred_ GROUP BY consumer, state",
        };
        foreach (var side in (string[])["relay", "consumer"])
        {
            foreach (var state in (string[])["dead", "blocking"])
                parts.Add($"SELECT 'letters', '{side}', '{state}', COUNT(*), 0, 0.0, '' FROM ({Counted("dead_letters", $"side = '{side}' AND state = '{state}'")}) AS {side}_{state}_");
            parts.Add($"SELECT 'keys', '{side}', '', COUNT(DISTINCT partition_key), 0, 0.0, '' FROM ({Counted("dead_letters", $"side = '{side}' AND state = 'blocking'", "partition_key")}) AS {side}_keys_");
        }
        for (var partition = 0; partition < partitions; partition++)
        {
            var number = partition.ToString(CultureInfo.InvariantCulture);
            parts.Add($"SELECT 'rows', '{number}', '', counted, COALESCE(span, 0), COALESCE(seconds, -1.0), '' FROM ({ReadBacklog.Replace("@partition", number, StringComparison.Ordinal)}) AS rows{number}_");
        }
        return string.Join("\nUNION ALL ", parts);
    }

    /// <summary>What waits in the outbox by type, counted up to @limit in each partition. Columns: type, rows, seconds since the first was written.</summary>
    internal string CountWaitingByType(int partitions) =>
        $"""
        SELECT type, COUNT(*), -MIN({SecondsUntil("created_at")}) FROM (
        {string.Join("\nUNION ALL ", Enumerable.Range(0, partitions).Select(p => string.Create(CultureInfo.InvariantCulture, $"SELECT type, created_at FROM ({Counted("outbox_messages", $"{Partition} = {p}", "type, created_at")}) AS p{p}")))}
        ) AS waiting GROUP BY type ORDER BY 2 DESC
        """;

    /// <summary>How many messages a consumer remembers: @consumer, counted up to @limit.</summary>
    internal string CountInbox => $"SELECT COUNT(*) FROM ({Counted("inbox_messages", "consumer = @consumer")}) AS remembered";

    /// <summary>What operators did with dead letters below @before, the last first: @limit, and @actor, @action, each null for any.
    /// Columns: id, acted_at, dead_letter_id, side, consumer, message id as text, action, actor, reason, whether a body is kept.</summary>
    internal string ListActions => Page(
        $"""
        a.id, a.acted_at, a.dead_letter_id, a.side, a.consumer, {TextOfId("a.message_id")} AS message_id, a.action, a.actor, a.reason, CASE WHEN a.previous_body IS NULL THEN 0 ELSE 1 END AS keeps
        FROM dead_letter_actions AS a{WithoutWaiting} WHERE a.id < @before AND (@actor IS NULL OR a.actor = @actor) AND (@action IS NULL OR a.action = @action)
        """, "a.id DESC");

    /// <summary>The last number that the outbox has given out, or null.</summary>
    private protected abstract string LastSequence { get; }

    /// <summary>Up to @limit rows of a table, any, as they lie, without waiting for anybody.</summary>
    private protected virtual string Counted(string table, string where, string columns = "1 AS one") => $"SELECT {columns} FROM {table} WHERE {where} LIMIT @limit";
}

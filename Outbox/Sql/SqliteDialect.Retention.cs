namespace Outbox.Sql;

/// <content>What a job forgets of dead letters, and how often a message was redriven.</content>
internal sealed partial class SqliteDialect
{
    internal override string DeleteDiscardedLetters =>
        // Not by the index of states, which does not know the order of the ids.
        $"DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE +side IN ('relay', 'consumer') AND +state = 'discarded' AND {IsOlder("last_failed_at")} AND id > @after ORDER BY id LIMIT @limit) RETURNING id";

    internal override string DeleteOldLetterActions =>
        $"DELETE FROM dead_letter_actions WHERE id IN (SELECT id FROM dead_letter_actions WHERE {IsOlder("acted_at")} AND id > @after ORDER BY id LIMIT @limit) RETURNING id";

    internal override string DeleteOldInboxOfAnyone => DeleteOld("inbox_messages", "received_at", "operation = ''");

    internal override string CountRedrives =>
        $"""
        SELECT d.id, count(*) FROM dead_letters AS d JOIN dead_letter_actions AS a ON a.message_id = d.message_id AND a.side = d.side AND a.consumer = d.consumer
        WHERE {ChosenLetters} AND a.action = 'redriven' GROUP BY d.id
        """;
}

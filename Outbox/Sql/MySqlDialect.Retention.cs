namespace Outbox.Sql;

/// <content>What a job forgets of dead letters, and how often a message was redriven.</content>
internal sealed partial class MySqlDialect
{
    internal override string DeleteDiscardedLetters =>
        // Not by the index of states, which does not know the order of the ids.
        DeleteFirst("dead_letters", "id", $"concat(side, '') IN ('relay', 'consumer') AND state = 'discarded' AND {IsOlder("last_failed_at")} AND id > @after");

    internal override string DeleteOldLetterActions => DeleteFirst("dead_letter_actions", "id", $"{IsOlder("acted_at")} AND id > @after");

    internal override string DeleteOldInboxOfAnyone => DeleteOld("inbox_messages", "received_at", "operation = ''");

    internal override string CountRedrives =>
        $"""
        SELECT d.id, count(*) FROM dead_letters d JOIN dead_letter_actions a ON a.message_id = d.message_id AND a.side = d.side AND a.consumer = d.consumer
        WHERE {ChosenLetters} AND a.action = 'redriven' GROUP BY d.id
        """;
}

namespace Outbox.Sql;

/// <content>What a job forgets of dead letters, and how often a message was redriven.</content>
internal sealed partial class SqlServerDialect
{
    internal override string DeleteDiscardedLetters =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.id
        FROM (SELECT TOP (@limit) id FROM dead_letters WITH (INDEX (pk_dead_letters)) WHERE side IN (N'relay', N'consumer') AND state = N'discarded' AND {IsOlder("last_failed_at")} AND id > @after ORDER BY id) AS old
        INNER LOOP JOIN dead_letters AS m WITH (ROWLOCK) ON m.id = old.id
        """;

    internal override string DeleteOldLetterActions =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.id
        FROM (SELECT TOP (@limit) id FROM dead_letter_actions WHERE {IsOlder("acted_at")} AND id > @after ORDER BY id) AS old
        INNER LOOP JOIN dead_letter_actions AS m WITH (ROWLOCK) ON m.id = old.id
        """;

    internal override string DeleteOldInboxOfAnyone =>
        $"""
        {Plain}
        DELETE m OUTPUT deleted.received_at
        FROM (SELECT TOP (@limit) consumer, message_id, operation FROM inbox_messages WITH (INDEX (ix_inbox_messages_received_at)) WHERE operation = N'' AND {IsOlder("received_at")} AND received_at >= @from ORDER BY received_at) AS old
        INNER LOOP JOIN inbox_messages AS m WITH (ROWLOCK) ON m.consumer = old.consumer AND m.message_id = old.message_id AND m.operation = old.operation
        """;

    internal override string CountRedrives =>
        $"""
        SELECT d.id, count(*) FROM dead_letters AS d JOIN dead_letter_actions AS a ON a.message_id = d.message_id AND a.side = d.side AND a.consumer = d.consumer
        WHERE {ChosenLetters} AND a.action = N'redriven' GROUP BY d.id
        """;
}

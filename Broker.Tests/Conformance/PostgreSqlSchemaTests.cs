using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlSchemaTests() : SchemaSuite(SqlDialect.PostgreSql)
{
    [TestCase(4_096, true)]
    [TestCase(7_900, true)]
    [TestCase(9_000, false)]
    public async Task A_body_that_a_page_has_room_for_stays_in_its_row(int bytes, bool staysInRow)
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        // Nothing that could be made smaller.
        var random = new Random(1);
        var body = new string([.. Enumerable.Range(0, bytes).Select(_ => (char)random.Next('0', 'z'))]);

        await database.InsertAsync(body: body);

        var aside = await database.ScalarAsync<long>("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'outbox_messages'::regclass");
        Assert.That(aside == 0, Is.EqualTo(staysInRow), $"{aside} bytes aside");
    }

    [Test]
    public async Task Indexes_that_a_look_for_a_key_might_take_instead_of_its_own_are_made_anew()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await database.ExecuteAsync(
            """
            DROP INDEX ix_deferred_messages_due, ux_deferred_messages_message;
            CREATE UNIQUE INDEX ux_deferred_messages_message ON deferred_messages (consumer, message_id);
            CREATE INDEX ix_deferred_messages_due ON deferred_messages (consumer, next_attempt_at, id)
            """);

        await database.ExecuteAsync(SqlDialect.PostgreSql.CreateTables);

        var indexes = await database.ScalarAsync<string[]>("SELECT array_agg(split_part(indexdef, ' USING btree ', 2) ORDER BY indexname) FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'deferred_messages' AND indexname LIKE '%x_deferred%'");
        Assert.That(indexes, Is.EqualTo((string[])["(consumer, next_attempt_at, id) WHERE (next_attempt_at IS NOT NULL)", "(consumer, partition_key, id)", "(message_id, consumer)"]));
    }
}

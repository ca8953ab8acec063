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
}

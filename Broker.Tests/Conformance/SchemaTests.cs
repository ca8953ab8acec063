using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>The tables are a public contract: the same from SQL and from Entity Framework's migrations, and changed only on purpose.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class SchemaTests(SqlDialect dialect)
{
    private static readonly string[] Tables = ["dead_letters", "inbox_messages", "leases", "outbox_messages"];

    [Test]
    public void The_statements_that_create_the_tables_are_approved() => Approved.Verify($"{dialect}.sql", dialect.CreateTables);

    [Test]
    public async Task Entity_Framework_creates_the_same_tables()
    {
        await using var bySql = await TestDatabase.CreateAsync(dialect);
        await using var byModel = await TestDatabase.CreateAsync(dialect, withTables: false);
        var options = new DbContextOptionsBuilder<OutboxOnlyContext>();
        byModel.Configure(options);
        await using (var context = new OutboxOnlyContext(options.Options))
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();

        foreach (var table in Tables)
        {
            foreach (var (what, sql) in Catalog(table))
            {
                var expected = await LinesAsync(bySql, sql, table);
                Assert.That(what != "columns" || expected.Count > 3, $"{what} of {table} can be read");
                Assert.That(await LinesAsync(byModel, sql, table), Is.EqualTo(expected), $"{what} of {table}");
            }
        }
        Assert.That(await LinesAsync(bySql, TablesSql, ""), Is.EqualTo(Tables), "no table is missing in this test");
    }

    [Test]
    public async Task Creating_the_tables_again_and_by_many_at_once_changes_nothing()
    {
        await using var database = await TestDatabase.CreateAsync(dialect, withTables: false);

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(database.CreateTablesAsync)));
        await database.InsertAsync();
        await database.CreateTablesAsync();

        Assert.That(await database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task Numbers_are_not_given_out_again_after_their_rows_are_gone()
    {
        await using var database = await TestDatabase.CreateAsync(dialect);
        await database.InsertAsync();
        await database.InsertAsync();
        var last = await database.ScalarAsync<long>("SELECT max(sequence) FROM outbox_messages");
        await database.ExecuteAsync("DELETE FROM outbox_messages");

        await database.InsertAsync();

        Assert.That(await database.ScalarAsync<long>("SELECT max(sequence) FROM outbox_messages"), Is.GreaterThan(last));
    }

    [Test]
    public async Task Missing_tables_and_columns_are_recognized()
    {
        await using var database = await TestDatabase.CreateAsync(dialect, withTables: false);
        var missingTable = Assert.CatchAsync(() => database.ExecuteAsync(dialect.CheckTables))!;
        Assert.That((SqlErrors.IsMissingTable(missingTable), SqlErrors.IsMissingColumn(missingTable)), Is.EqualTo((true, false)));
        await database.CreateTablesAsync();
        await database.ExecuteAsync(dialect.CheckTables);

        await database.ExecuteAsync("ALTER TABLE outbox_messages DROP COLUMN expires_at");

        var missingColumn = Assert.CatchAsync(() => database.ExecuteAsync(dialect.CheckTables))!;
        Assert.That((SqlErrors.IsMissingTable(missingColumn), SqlErrors.IsMissingColumn(missingColumn)), Is.EqualTo((false, true)));
    }

    private string TablesSql => dialect == SqlDialect.PostgreSql
        ? "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND @table = '' ORDER BY 1"
        : "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND @table = '' ORDER BY 1";

    private IEnumerable<(string What, string Sql)> Catalog(string table) => dialect == SqlDialect.PostgreSql
        ?
        [
            ("columns", """
                SELECT column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity, identity_generation, identity_start, identity_increment, datetime_precision, numeric_precision
                FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = @table ORDER BY column_name
                """),
            ("keys", """
                SELECT c.conname, c.contype, pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.conrelid = (quote_ident(current_schema()) || '.' || @table)::regclass AND c.contype <> 'n' ORDER BY c.conname
                """),
            ("indexes", """
                SELECT indexname, replace(indexdef, quote_ident(current_schema()) || '.', '') FROM pg_indexes WHERE schemaname = current_schema() AND tablename = @table ORDER BY indexname
                """),
        ]
        :
        [
            ("columns", "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(@table) ORDER BY name"),
            ("indexes", """
                SELECT CASE WHEN l.origin = 'c' THEN l.name ELSE '' END, l."unique", l.origin, l.partial, i.seqno, i.name
                FROM pragma_index_list(@table) l, pragma_index_info(l.name) i ORDER BY 3, 1, 5
                """),
            ("numbering and key name", "SELECT name, sql LIKE '%AUTOINCREMENT%', sql LIKE '%pk_' || @table || '\"%' OR sql LIKE '%pk_' || @table || ' %' FROM sqlite_master WHERE type = 'table' AND name = @table"),
        ];

    private static async Task<IReadOnlyList<string>> LinesAsync(TestDatabase database, string sql, string table) =>
        [.. (await database.QueryAsync(sql, ("table", table))).Select(row => string.Join(" | ", row.Select(v => v ?? "-")))];

    private sealed class OutboxOnlyContext(DbContextOptions<OutboxOnlyContext> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
    }
}

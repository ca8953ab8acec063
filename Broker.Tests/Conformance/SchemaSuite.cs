using System.Data.Common;
using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Outbox;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>The tables are a public contract: changed only on purpose, made by many at once, upgraded under load, and refused when they do not fit. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract class SchemaSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;

    private TestDatabase _database = null!;

    [SetUp]
    public async Task Prepare() => _database = await TestDatabase.CreateAsync(dialect, withTables: false);

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task The_script_makes_the_tables_that_it_describes()
    {
        await _database.CreateTablesAsync();

        Assert.That(await DifferencesAsync(), Is.Empty);
        Assert.DoesNotThrowAsync(CheckAsync);
        Assert.That(SchemaShape.Of(dialect).Columns.Select(c => c.Table).Distinct(), Is.EquivalentTo(new[] { "outbox_messages", "outbox_archive", "outbox_scheduled", "leases", "inbox_messages", "dead_letters", "dead_letter_actions", "deferred_messages", "relays", "consumers", "receipt_requests", "receipts", "inbox_keys", "consumer_status", "transaction_decisions", "transaction_markers", "transaction_coordinators", "sagas", "saga_steps", "fences", "outbox_settings", "outbox_schema" }));
        Assert.That(SchemaShape.Of(dialect).Columns.Where(c => c.Table == "outbox_messages").Select(c => c.Name), Has.Exactly(12).Items);
    }

    [Test]
    public async Task Creating_the_tables_by_ten_at_once_and_again_gives_one_schema()
    {
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(_database.CreateTablesAsync)));
        await _database.InsertAsync();
        await _database.CreateTablesAsync();

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
        Assert.That((await _database.QueryAsync("SELECT version FROM outbox_schema")).Select(r => r[0]), Is.EqualTo(new[] { "6" }));
        Assert.That(await DifferencesAsync(), Is.Empty);
    }

    [Test]
    public async Task Numbers_are_not_given_out_again_after_their_rows_are_gone()
    {
        await _database.CreateTablesAsync();
        await _database.InsertAsync();
        await _database.InsertAsync();
        var last = await _database.ScalarAsync<long>("SELECT max(sequence) FROM outbox_messages");
        await _database.ExecuteAsync("DELETE FROM outbox_messages");

        await _database.InsertAsync();

        Assert.That(await _database.ScalarAsync<long>("SELECT max(sequence) FROM outbox_messages"), Is.GreaterThan(last));
    }

    [Test]
    public void Missing_tables_are_named_with_the_way_to_create_them() =>
        Assert.That(CheckAsync, Throws.TypeOf<OutboxConfigurationException>().With.Message.StartsWith("The test: the tables of the outbox are missing").And.Message.Contains("'broker schema --source orders --create'"));

    [Test]
    public async Task Tables_of_an_earlier_version_are_refused_and_not_touched()
    {
        await _database.CreateTablesAsync();
        await _database.ExecuteAsync("DROP TABLE outbox_schema");

        Assert.That(CheckAsync, Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("are of schema version 1; this program needs version 6. Upgrade them with 'broker schema --source orders --create'"));
        Assert.That(await DifferencesAsync(), Is.EqualTo(new[] { "schema version is 1, expected 6", "table outbox_schema is missing" }));
    }

    [Test]
    public async Task Tables_of_a_later_version_are_refused_by_all_and_not_touched()
    {
        await _database.CreateTablesAsync();
        await _database.ExecuteAsync("INSERT INTO outbox_schema (version) VALUES (99)");
        Assert.DoesNotThrowAsync(() => CheckAsync(refusesNewer: false), "who has begun with the tables goes on beside newer ones");
        await _database.ExecuteAsync("DROP TABLE outbox_archive");

        Assert.That(CheckAsync, Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("version 99, made by a newer program").And.Message.Contains("Update this program"));
        Assert.That(_database.CreateTablesAsync, Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("Nothing was changed"));
        Assert.That(await DifferencesAsync(), Does.Contain("table outbox_archive is missing"), "it was not made");
    }

    [Test]
    public async Task Damaged_tables_are_refused_and_every_difference_is_listed()
    {
        await _database.CreateTablesAsync();
        await _database.ExecuteAsync("ALTER TABLE outbox_messages DROP COLUMN expires_at");
        await _database.ExecuteAsync("DROP TABLE dead_letters");
        await _database.ExecuteAsync("ALTER TABLE inbox_messages ADD somebody_elses int");

        Assert.That(CheckAsync, Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("version 6, but something is missing").And.Message.Contains("'broker schema --source orders --check'"));
        Assert.That(await DifferencesAsync(), Is.EquivalentTo(new[] { "column outbox_messages.expires_at is missing", "table dead_letters is missing", "index ux_dead_letters_message on dead_letters is missing", "index ix_dead_letters_state on dead_letters is missing" }));

        await _database.CreateTablesAsync();
        Assert.That(await DifferencesAsync(), Is.EqualTo(new[] { "column outbox_messages.expires_at is missing" }), "what is missing as a whole is made");
    }

    [Test]
    public async Task A_lost_version_is_mended_by_creating_again()
    {
        await _database.CreateTablesAsync();
        await _database.ExecuteAsync("DELETE FROM outbox_schema");
        Assert.That(CheckAsync, Throws.TypeOf<OutboxConfigurationException>());

        await _database.CreateTablesAsync();

        Assert.DoesNotThrowAsync(CheckAsync);
    }

    [Test]
    public async Task Tables_of_earlier_versions_are_upgraded_while_services_write([Range(1, SchemaVersion.Current - 1)] int version)
    {
        if (Approved.Find($"Version{version}/{dialect}.sql") is not { } first)
            Assert.Pass($"Version {version} did not exist for this engine.");
        else
        {
            await _database.ExecuteAsync(first);
            var early = await _database.InsertAsync(key: "k");
            using var enough = new CancellationTokenSource();
            var writing = Task.Run(async () =>
            {
                var ids = new List<Guid>();
                while (!enough.IsCancellationRequested)
                    ids.Add(await _database.InsertAsync(key: "k"));
                return ids;
            });

            try
            {
                await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(_database.CreateTablesAsync)));
            }
            finally
            {
                // Whatever happened: the next test's database is not to be written to.
                await enough.CancelAsync();
                await ((Task)writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            Guid[] written = [early, .. await writing, await _database.InsertAsync(key: "k")];

            var transport = new InMemoryTransport();
            await using var collector = await Collector.StartAsync(transport);
            await using var drain = await Drain.StartAsync(_database, transport);
            await collector.ReachAsync(written.Length);
            Assert.That(collector.Applied("k"), Is.EqualTo(written));
            Assert.That(await DifferencesAsync(), Is.Empty);
            Assert.DoesNotThrowAsync(CheckAsync);
        }
    }

    [Test]
    public async Task Entity_Framework_creates_the_same_tables()
    {
        if (dialect == SqlDialect.MySql)
            Assert.Pass("Entity Framework 10 has no provider for this engine.");
        await using var bySql = await TestDatabase.CreateAsync(dialect);
        var options = new DbContextOptionsBuilder<OutboxOnlyContext>();
        _database.Configure(options);
        await using (var context = new OutboxOnlyContext(options.Options))
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();

        Assert.That(await DifferencesAsync(), Is.Empty);
        Assert.DoesNotThrowAsync(CheckAsync, "the version is written too");
        foreach (var table in SchemaShape.Of(dialect).Columns.Select(c => c.Table).Distinct())
        {
            foreach (var (what, sql) in Catalog(table))
                Assert.That(await LinesAsync(_database, sql, table), Is.EqualTo(await LinesAsync(bySql, sql, table)), $"{what} of {table}");
        }
    }

    private Task<bool> CheckAsync() => CheckAsync(refusesNewer: true);

    private Task<bool> CheckAsync(bool refusesNewer) => OnConnectionAsync(async connection =>
    {
        await OutboxSchema.CheckAsync(connection, "The test", "'broker schema --source orders --create'", refusesNewer, None);
        return true;
    });

    private Task<IReadOnlyList<string>> DifferencesAsync() => OnConnectionAsync(connection => OutboxSchema.CompareAsync(connection, None));

    private async Task<T> OnConnectionAsync<T>(Func<DbConnection, Task<T>> use)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        return await use(connection);
    }

    /// <summary>What the comparison does not look at: defaults, numbering, the details of indexes.</summary>
    private IEnumerable<(string What, string Sql)> Catalog(string table) => dialect.Name switch
    {
        "PostgreSql" =>
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
            ("storage parameters", "SELECT reloptions::text FROM pg_class WHERE oid = (quote_ident(current_schema()) || '.' || @table)::regclass AND reloptions IS NOT NULL"),
        ],
        "Sqlite" =>
        [
            ("columns", "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(@table) ORDER BY name"),
            ("indexes", """
                SELECT CASE WHEN l.origin = 'c' THEN l.name ELSE '' END, l."unique", l.origin, l.partial, i.seqno, i.name
                FROM pragma_index_list(@table) l, pragma_index_info(l.name) i ORDER BY 3, 1, 5
                """),
            ("numbering and key name", "SELECT name, sql LIKE '%AUTOINCREMENT%', sql LIKE '%pk_' || @table || '\"%' OR sql LIKE '%pk_' || @table || ' %' FROM sqlite_master WHERE type = 'table' AND name = @table"),
        ],
        "SqlServer" =>
        [
            ("columns", """
                SELECT c.name, c.system_type_id, c.max_length, c.scale, c.is_nullable, c.is_identity, c.collation_name, d.definition
                FROM sys.columns c LEFT JOIN sys.default_constraints d ON d.object_id = c.default_object_id WHERE c.object_id = OBJECT_ID(@table) ORDER BY c.name
                """),
            ("indexes", "SELECT name, type, is_unique, is_primary_key, filter_definition FROM sys.indexes WHERE object_id = OBJECT_ID(@table) ORDER BY name"),
        ],
        _ => [],
    };

    private static async Task<IReadOnlyList<string>> LinesAsync(TestDatabase database, string sql, string table) =>
        [.. (await database.QueryAsync(sql, ("table", table))).Select(row => string.Join(" | ", row.Select(v => v ?? "-")))];

    private sealed class OutboxOnlyContext(DbContextOptions<OutboxOnlyContext> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
    }
}

using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What Entity Framework makes of the outbox's model, without a server.</summary>
internal sealed class ModelTests
{
    private static readonly string[] Tables = ["outbox_messages", "outbox_archive", "outbox_scheduled", "leases", "inbox_messages", "dead_letters", "dead_letter_actions", "deferred_messages", "relays", "consumers", "receipt_requests", "receipts", "inbox_keys", "consumer_status", "fences", "outbox_settings", "outbox_schema"];

    [Test]
    public void On_SQL_Server_a_migration_makes_the_tables_of_the_script()
    {
        using var context = Context("SqlServer");

        Assert.That(TransactSqlTables.Of(context.Database.GenerateCreateScript()).Shape, Is.EqualTo(TransactSqlTables.Of(SqlDialect.SqlServer.CreateTables).Shape));
    }

    [Test]
    public void A_migration_makes_every_table_and_writes_the_version([Values("SqlServer", "PostgreSql", "Sqlite")] string engine)
    {
        using var context = Context(engine);
        var model = context.GetService<IDesignTimeModel>().Model;

        var operations = context.GetService<IMigrationsModelDiffer>().GetDifferences(null, model.GetRelationalModel());

        Assert.That(operations.OfType<CreateTableOperation>().Select(o => o.Name), Is.EquivalentTo(Tables));
        var version = operations.OfType<InsertDataOperation>().Single(o => o.Table == "outbox_schema");
        Assert.That(operations.OfType<InsertDataOperation>().Single(o => o.Table == "outbox_settings").Columns, Does.Contain("id").And.Not.Contain("partitions"));
        Assert.That((version.Table, version.Columns, version.Values[0, 0]), Is.EqualTo(("outbox_schema", new[] { "version" }, SchemaVersion.Current)));
        Assert.That(context.GetService<IMigrationsSqlGenerator>().Generate(operations, model).Select(c => c.CommandText), Has.Some.Contains("outbox_messages"));
    }

    [Test]
    public void A_model_that_has_not_changed_needs_no_further_migration([Values("SqlServer", "PostgreSql", "Sqlite")] string engine)
    {
        using var first = Context(engine);
        using var second = Context(engine);

        Assert.That(first.GetService<IMigrationsModelDiffer>().HasDifferences(Relational(first), Relational(second)), Is.False);
    }

    private static IRelationalModel Relational(DbContext context) => context.GetService<IDesignTimeModel>().Model.GetRelationalModel();

    private static OutboxOnlyContext Context(string engine)
    {
        var options = new DbContextOptionsBuilder<OutboxOnlyContext>();
        _ = engine switch
        {
            "SqlServer" => options.UseSqlServer("Server=unused"),
            "PostgreSql" => options.UseNpgsql("Host=unused"),
            _ => options.UseSqlite("Data Source=unused"),
        };
        return new OutboxOnlyContext(options.Options);
    }

    private sealed class OutboxOnlyContext(DbContextOptions<OutboxOnlyContext> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
    }
}

using System.Reflection;
using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Design;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Outbox.Sql;
using Shop.Migrations;
using Shop.Migrations.SqlServer;

namespace Broker.Tests.EndToEnd;

/// <summary>The migrations of the shop: each service has its own for each provider of Entity Framework.</summary>
internal sealed class ShopMigrationTests
{
    /// <summary>The contexts that own them.</summary>
    private static IEnumerable<Type> Contexts => typeof(ServiceMigrations).Assembly.GetTypes()
        .Where(t => t.IsSubclassOf(typeof(DbContext)) && t.Namespace!.StartsWith("Shop.Migrations.", StringComparison.Ordinal));

    private static IEnumerable<Type> ContextsOfSqlServer => Contexts.Where(t => t.Namespace == typeof(SqlServerOrdersContext).Namespace);

    [Test]
    public void Every_service_has_migrations_for_every_provider() => Assert.That(Contexts.Count(), Is.EqualTo(3 * TestDatabase.EnginesOfEntityFramework.Count));

    [TestCaseSource(nameof(Contexts))]
    public void The_migrations_are_up_to_date_with_the_model(Type type)
    {
        using var context = Create(type);
        if (!context.Database.HasPendingModelChanges())
            return;
        var folder = Path.GetRelativePath(Approved.Root, WriteMissingMigration(context));
        Assert.Fail($"The model of {type.Name} has changed since its last migration. The next one is in {folder}. If it does what you want, take it: cp -r {folder}/. Samples/Shop/Migrations/");
    }

    [TestCaseSource(nameof(ContextsOfSqlServer))]
    public void SQL_Server_can_parse_the_script_of_its_migrations(Type type)
    {
        using var context = Create(type);
        foreach (var options in (MigrationsSqlGenerationOptions[])[MigrationsSqlGenerationOptions.Default, MigrationsSqlGenerationOptions.Idempotent])
        {
            using var script = new StringReader(context.GetService<IMigrator>().GenerateScript(options: options));
            var parsed = (TSqlScript)new TSql160Parser(initialQuotedIdentifiers: true).Parse(script, out var errors);

            Assert.That(errors.Select(e => $"line {e.Line}: {e.Message}"), Is.Empty);
            Assert.That(parsed.Batches, Is.Not.Empty);
        }
    }

    [Test]
    public async Task Services_that_migrate_at_the_same_time_make_the_tables_that_the_relay_expects([ValueSource(typeof(TestDatabase), nameof(TestDatabase.EnginesOfEntityFramework))] SqlDialect dialect)
    {
        await using var database = await TestDatabase.CreateAsync(dialect, withTables: false);
        var type = Contexts.First(t => t.Namespace == $"Shop.Migrations.{dialect}");
        // Several instances of a service start at the same time.
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
        {
            await using var context = Create(type, database.ConnectionString);
            await context.Database.MigrateAsync();
        }));
        await using var connection = await database.DataSource.OpenConnectionAsync();

        Assert.That(await OutboxSchema.CompareAsync(connection, CancellationToken.None), Is.Empty);
    }

    /// <summary>Does what <c>dotnet ef migrations add</c> does, without the tool. Returns a folder like Samples/Shop/Migrations.</summary>
    private static string WriteMissingMigration(DbContext context)
    {
        var root = Path.Combine(Approved.Root, "artifacts", "received", "Migrations");
        var (engine, service) = (context.GetType().Namespace!.Split('.')[^1], context.GetType().BaseType!.Namespace!.Split('.')[1]);
        var folder = Directory.CreateDirectory(Path.Combine(root, engine, service)).FullName;

        var services = new ServiceCollection().AddEntityFrameworkDesignTimeServices().AddDbContextDesignTimeServices(context);
        var provider = Assembly.Load(context.Database.ProviderName!);
        var providerServices = provider.GetType(provider.GetCustomAttribute<DesignTimeProviderServicesAttribute>()!.TypeName)!;
        ((IDesignTimeServices)Activator.CreateInstance(providerServices)!).ConfigureDesignTimeServices(services);
        using var container = services.BuildServiceProvider();
        using var scope = container.CreateScope();
        var migration = scope.ServiceProvider.GetRequiredService<IMigrationsScaffolder>()
            .ScaffoldMigration(context.Database.GetMigrations().Any() ? "Update" : "Initial", "Shop", $"Migrations.{engine}.{service}");

        Write(migration.MigrationId, migration.MigrationCode);
        Write($"{migration.MigrationId}.Designer", migration.MetadataCode);
        Write(migration.SnapshotName, migration.SnapshotCode);
        return root;

        void Write(string name, string code) => File.WriteAllText(Path.Combine(folder, $"{name}.cs"), code.ReplaceLineEndings("\n"));
    }

    private static DbContext Create(Type type, string? connectionString = null) => (DbContext)Activator.CreateInstance(type, [connectionString])!;
}

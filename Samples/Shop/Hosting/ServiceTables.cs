using Dapper;
using Shop.Migrations;

namespace Shop.Hosting;

/// <summary>Brings a service's database to the shape that its code expects, before the service starts.</summary>
internal static class ServiceTables
{
    /// <param name="settings">Which service, and where its database is.</param>
    /// <param name="script">Creates the service's own tables where there are no migrations.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task CreateAsync(ServiceSettings settings, string script, CancellationToken cancellationToken)
    {
        if (settings.UsesEntityFramework)
        {
            await ServiceMigrations.ApplyAsync(settings, cancellationToken);
            return;
        }
        await using var database = settings.CreateDataSource();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync(new CommandDefinition(script, cancellationToken: cancellationToken));
    }
}

using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Outbox;

/// <summary>Connections to the database of a registered <see cref="DbContext"/>, made the way that the context's own are.</summary>
internal sealed class ContextDataSource<TContext>(IServiceProvider services) : DbDataSource
    where TContext : DbContext
{
    private readonly Lazy<(Func<DbConnection> Create, string ConnectionString)> _template = TemplateOf(services.GetRequiredService<IServiceScopeFactory>());

    // Of the container, not of the scope that happens to ask first: that one ends.
    private static Lazy<(Func<DbConnection> Create, string ConnectionString)> TemplateOf(IServiceScopeFactory scopes) => new(() =>
    {
        using var scope = scopes.CreateScope();
        using var context = scope.ServiceProvider.GetRequiredService<TContext>();
        var connection = context.Database.GetDbConnection();
        var connectionString = context.Database.GetConnectionString() ?? connection.ConnectionString;
        // A clone keeps what a connection string does not show: the driver's data source, its password, its certificates.
        if (connection is ICloneable cloneable)
        {
            var template = (DbConnection)cloneable.Clone();
            return (() => (DbConnection)((ICloneable)template).Clone(), connectionString);
        }
        var type = connection.GetType();
        return (() =>
        {
            var created = (DbConnection)Activator.CreateInstance(type)!;
            created.ConnectionString = connectionString;
            return created;
        }, connectionString);
    });

    public override string ConnectionString => _template.Value.ConnectionString;

    protected override DbConnection CreateDbConnection() => _template.Value.Create();
}

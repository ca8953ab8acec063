using Microsoft.EntityFrameworkCore;

namespace Shop.Hosting;

internal static class ServiceDatabase
{
    private static readonly SqlitePatience Patience = new();

    public static void UseDatabase(this DbContextOptionsBuilder builder, ServiceSettings settings)
    {
        if (settings.Database == DatabaseEngine.PostgreSql)
            builder.UseNpgsql(settings.ConnectionString);
        else
            builder.UseSqlite(settings.ConnectionString).AddInterceptors(Patience);
    }
}

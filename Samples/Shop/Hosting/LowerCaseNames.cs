using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;

namespace Shop.Hosting;

/// <summary>Names tables and columns as people write them in SQL: customer_id, the same on every engine and quoted on none.</summary>
internal static partial class LowerCaseNames
{
    /// <summary>Call it last in <c>OnModelCreating</c>. The outbox's tables have such names already.</summary>
    public static void UseLowerCaseNames(this ModelBuilder modelBuilder)
    {
        foreach (var entity in modelBuilder.Model.GetEntityTypes().Where(e => e.ClrType.Assembly == typeof(LowerCaseNames).Assembly))
        {
            entity.SetTableName(LowerCase(entity.GetTableName()!));
            foreach (var property in entity.GetProperties())
                property.SetColumnName(LowerCase(property.Name));
        }
    }

    private static string LowerCase(string name) => WordStart().Replace(name, "_").ToLowerInvariant();

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordStart();
}

using System.Data.Common;
using System.Globalization;

namespace Outbox.Sql;

/// <summary>Reads what the drivers give in different types.</summary>
internal static class SqlReaders
{
    public static string? TextOrNull(this DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);

    public static long? NumberOrNull(this DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : Convert.ToInt64(reader.GetValue(ordinal), CultureInfo.InvariantCulture);

    /// <summary>A time of the database, which is UTC on every engine.</summary>
    public static DateTime Utc(this DbDataReader reader, int ordinal) => DateTime.SpecifyKind(reader.GetDateTime(ordinal), DateTimeKind.Utc);

    public static DateTime? UtcOrNull(this DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.Utc(ordinal);

    /// <summary>A message id as text: in lower case, or as somebody has written it who writes no ids.</summary>
    public static string? IdTextOrNull(this DbDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null
        : reader.GetValue(ordinal) is Guid id ? id.ToString("D")
        : Guid.TryParse(reader.GetString(ordinal), out id) ? id.ToString("D") : reader.GetString(ordinal);
}

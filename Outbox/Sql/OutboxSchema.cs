using System.Data.Common;
using System.Globalization;

namespace Outbox.Sql;

/// <summary>The tables of one database: whether they are there and of this version, what differs, and how they get there.</summary>
internal static class OutboxSchema
{
    private const int Tries = 10;

    /// <summary>Checks that the tables are there and of the version that this assembly works with. Reads little, changes nothing.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="what">What the database belongs to, for the message: <c>Source 'orders'</c>.</param>
    /// <param name="remedy">What a person types to create or upgrade the tables.</param>
    /// <param name="refusesNewer">Whether newer tables are refused. Who has worked with them before they were upgraded goes on: for one version, what is added hurts nobody.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OutboxConfigurationException">They are missing, older, newer or damaged; the message says which, and what to do.</exception>
    public static async Task CheckAsync(DbConnection connection, string what, string remedy, bool refusesNewer, CancellationToken cancellationToken)
    {
        var dialect = SqlDialect.Of(connection);
        var place = $"database '{(connection.Database is { Length: > 0 } and not "main" ? connection.Database : connection.DataSource)}'";
        var version = await VersionAsync(connection, dialect, cancellationToken).ConfigureAwait(false);
        var wrong = version switch
        {
            null => $"the tables of the outbox are missing in {place}. Create them with {remedy}, or add model.UseOutbox() and a migration.",
            < SchemaVersion.Current => $"the tables of the outbox in {place} are of schema version {version}; this program needs version {SchemaVersion.Current}. Upgrade them with {remedy}, or by a migration; relays and services may run meanwhile.",
            > SchemaVersion.Current when refusesNewer => $"the tables of the outbox in {place} are of schema version {version}, made by a newer program than this one, which knows versions up to {SchemaVersion.Current}. Update this program.",
            _ => null,
        };
        if (wrong is not null)
            throw new OutboxConfigurationException($"{what}: {wrong}");
        try
        {
            await connection.Command(dialect.CheckTables).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception) || SqlErrors.IsMissingColumn(exception))
        {
            throw new OutboxConfigurationException(
                $"{what}: the tables of the outbox in {place} say that they are of schema version {version}, but something is missing ({SqlErrors.TextOf(exception)}). "
                + $"List the differences with {remedy.Replace("--create", "--check", StringComparison.Ordinal)}; a missing table is created by {remedy}.", exception);
        }
    }

    /// <summary>Creates the tables, or brings them to this version. Safe to run by many at once, and again.</summary>
    /// <exception cref="OutboxConfigurationException">The tables are newer than this assembly; nothing was changed.</exception>
    public static async Task CreateAsync(DbConnection connection, string what, CancellationToken cancellationToken)
    {
        var dialect = SqlDialect.Of(connection);
        for (var failures = 1; ; failures++)
        {
            try
            {
                if (await VersionAsync(connection, dialect, cancellationToken).ConfigureAwait(false) is > SchemaVersion.Current and var version)
                    throw new OutboxConfigurationException($"{what}: the tables are of schema version {version}, made by a newer program than this one, which knows versions up to {SchemaVersion.Current}. Nothing was changed. Update this program.");
                await AddAsync(connection, dialect.AddedColumns, dialect.DescribeColumns, dialect.DescribeColumns, cancellationToken).ConfigureAwait(false);
                await AddAsync(connection, dialect.AddedIndexes, dialect.DescribeIndexes, dialect.DescribeColumns, cancellationToken).ConfigureAwait(false);
                await connection.Command(dialect.CreateTables).ExecuteAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (DbException exception) when (failures < Tries && SqlErrors.IsTransient(exception))
            {
                // Somebody else creates them at this moment.
            }
        }
    }

    /// <summary>Compares the tables with what this assembly would create. Empty: they are the same, apart from what was added.</summary>
    public static async Task<IReadOnlyList<string>> CompareAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var dialect = SqlDialect.Of(connection);
        var shape = SchemaShape.Of(dialect);
        var differences = new List<string>();
        var version = await VersionAsync(connection, dialect, cancellationToken).ConfigureAwait(false);
        if (version != SchemaVersion.Current)
            differences.Add(version is null ? "there are no tables of the outbox" : string.Create(CultureInfo.InvariantCulture, $"schema version is {version}, expected {SchemaVersion.Current}"));

        var actual = (await RowsAsync(connection, dialect.DescribeColumns, cancellationToken).ConfigureAwait(false))
            .Select(r => new SchemaShape.Column(r[0], r[1], r[2], r[3] is "1", int.Parse(r[4], CultureInfo.InvariantCulture)))
            .ToDictionary(c => (c.Table, c.Name));
        foreach (var table in shape.Columns.GroupBy(c => c.Table))
        {
            if (!actual.Keys.Any(k => k.Table == table.Key))
                differences.Add($"table {table.Key} is missing");
            else
                differences.AddRange(table.SelectMany(expected => Compare(expected, actual.GetValueOrDefault((expected.Table, expected.Name)))));
        }
        // A column of somebody else's does no harm unless an insert must name it.
        var known = shape.Columns.Select(c => (c.Table, c.Name)).ToHashSet();
        differences.AddRange(actual.Values.Where(c => c.KeyPlace > 0 && !known.Contains((c.Table, c.Name))).Select(c => $"{c.Table}.{c.Name} is in the primary key, but should not be"));

        var indexes = (await RowsAsync(connection, dialect.DescribeIndexes, cancellationToken).ConfigureAwait(false)).Select(r => (r[0], r[1])).ToHashSet();
        differences.AddRange(shape.Indexes.Where(i => !indexes.Contains(i)).Select(i => $"index {i.Name} on {i.Table} is missing"));
        return differences;
    }

    /// <summary>Adds columns or indexes to tables that are there and lack them.</summary>
    private static async Task AddAsync(
        DbConnection connection, IReadOnlyList<(string Table, string Name, string Statement)> added, string describe, string describeTables, CancellationToken cancellationToken)
    {
        if (added.Count == 0)
            return;
        var there = (await RowsAsync(connection, describe, cancellationToken).ConfigureAwait(false)).Select(r => (r[0], r[1])).ToHashSet();
        var tables = (await RowsAsync(connection, describeTables, cancellationToken).ConfigureAwait(false)).Select(r => r[0]).ToHashSet();
        foreach (var (table, name, statement) in added)
        {
            if (there.Contains((table, name)) || !tables.Contains(table))
                continue;
            try
            {
                await connection.Command(statement).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (DbException) when (!cancellationToken.IsCancellationRequested)
            {
                // Somebody else may have added it at this moment; if it was something else, it is still missing.
                if (!(await RowsAsync(connection, describe, cancellationToken).ConfigureAwait(false)).Any(r => r[0] == table && r[1] == name))
                    throw;
            }
        }
    }

    private static IEnumerable<string> Compare(SchemaShape.Column expected, SchemaShape.Column? actual)
    {
        var name = $"{expected.Table}.{expected.Name}";
        if (actual is null)
        {
            yield return $"column {name} is missing";
            yield break;
        }
        if (!string.Equals(expected.Type, actual.Type, StringComparison.OrdinalIgnoreCase))
            yield return $"column {name} is {actual.Type}, expected {expected.Type}";
        if (expected.IsRequired != actual.IsRequired)
            yield return $"column {name} {(actual.IsRequired ? "refuses" : "takes")} nulls, expected the opposite";
        if (expected.KeyPlace != actual.KeyPlace)
            yield return $"column {name} is {Place(actual.KeyPlace)} in the primary key, expected {Place(expected.KeyPlace)}";
    }

    private static string Place(int place) => place == 0 ? "not" : string.Create(CultureInfo.InvariantCulture, $"number {place}");

    /// <summary>The schema version of the tables; null if there are none.</summary>
    private static async Task<int?> VersionAsync(DbConnection connection, SqlDialect dialect, CancellationToken cancellationToken)
    {
        try
        {
            var version = await connection.Command(dialect.ReadSchemaVersion).ScalarAsync(cancellationToken).ConfigureAwait(false);
            // An empty table: somebody has made it by hand, or its row was lost. The script sets that right as well.
            return version is null ? 0 : Convert.ToInt32(version, CultureInfo.InvariantCulture);
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception))
        {
            // Version 1 had no such table.
            return await ExistsAsync(connection, dialect, cancellationToken).ConfigureAwait(false) ? 1 : null;
        }
    }

    private static async Task<bool> ExistsAsync(DbConnection connection, SqlDialect dialect, CancellationToken cancellationToken)
    {
        try
        {
            await connection.Command(dialect.FindOutbox).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DbException exception) when (SqlErrors.IsMissingTable(exception))
        {
            return false;
        }
    }

    private static async Task<IReadOnlyList<string[]>> RowsAsync(DbConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = connection.Command(sql);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var rows = new List<string[]>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture)!)]);
        return rows;
    }
}

using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Lets PostgreSQL itself write down, in the transaction of each delete, which client deletes and who holds the partition's lease at that moment (G5).</summary>
internal sealed class DeletionWatch
{
    private readonly Database _database;

    private DeletionWatch(Database database) => _database = database;

    /// <summary>Installs it; null on engines whose clients have no name that a trigger could see.</summary>
    public static async Task<DeletionWatch?> InstallAsync(Database database)
    {
        if (database.Dialect != SqlDialect.PostgreSql)
            return null;
        await database.ExecuteAsync("""
            CREATE TABLE campaign_deletions (client text NOT NULL, owner text, partition smallint NOT NULL, rows bigint NOT NULL);
            CREATE FUNCTION campaign_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO campaign_deletions (client, owner, partition, rows)
                SELECT current_setting('application_name'), l.owner, d.partition, count(*)
                FROM deleted AS d LEFT JOIN leases AS l ON l.name = 'relay/' || d.partition
                GROUP BY l.owner, d.partition;
                RETURN NULL;
            END $$;
            CREATE TRIGGER campaign_deleted AFTER DELETE ON outbox_messages REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION campaign_deleted();
            """);
        return new DeletionWatch(database);
    }

    /// <summary>Deletes of whoever did not hold the lease.</summary>
    /// <param name="processes">The process of each client.</param>
    public async Task<(long Rows, IReadOnlyList<string> Faults)> CheckAsync(IReadOnlyDictionary<string, int> processes)
    {
        var all = await _database.QueryAsync("SELECT client, owner, sum(rows) FROM campaign_deletions GROUP BY client, owner");
        var wrong = all.Where(r => !processes.TryGetValue(r[0], out var process) || !r[1].Contains(string.Create(CultureInfo.InvariantCulture, $"/{process}/"), StringComparison.Ordinal));
        return (all.Sum(r => long.Parse(r[2], CultureInfo.InvariantCulture)), [.. wrong.Select(r => $"{r[0]} deleted {r[2]} rows while the lease was {(r[1].Length == 0 ? "nobody's" : r[1] + "'s")}")]);
    }
}

using System.Globalization;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>Tells when the relay got confirms again: by the rows that left the outbox.</summary>
internal static class ConfirmWatch
{
    /// <summary>How often it looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    private const int Probes = 20;

    /// <summary>The time from an event until a row that was committed after it has been settled; null if that does not happen in time.</summary>
    /// <remarks>A row leaves after its confirm only (G2), so this is never shorter than the time to the confirm; a settle may wait for its batch, so it is a little longer.</remarks>
    public static async Task<TimeSpan?> NextAsync(Database database, Writers writers, long since, TimeSpan within)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var probes = new List<Guid>();
        while (TimeProvider.System.GetElapsedTime(since) < within)
        {
            if (probes.Count < Probes)
                probes = [.. writers.Commits.Where(c => c.Value.At > since).OrderBy(c => c.Value.At).Take(Probes).Select(c => c.Key)];
            if (probes.Count > 0)
            {
                var command = connection.Command($"SELECT count(*) FROM outbox_messages WHERE message_id IN ({string.Join(", ", probes.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"@p{i}")))})");
                for (var i = 0; i < probes.Count; i++)
                    command.With(string.Create(CultureInfo.InvariantCulture, $"p{i}"), probes[i]);
                if (Convert.ToInt32(await command.ScalarAsync(CancellationToken.None), CultureInfo.InvariantCulture) < probes.Count)
                    return TimeProvider.System.GetElapsedTime(since);
            }
            await Task.Delay(Interval);
        }
        return null;
    }
}

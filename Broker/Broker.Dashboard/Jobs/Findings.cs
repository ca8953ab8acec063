using System.Text.Json;
using Hangfire;
using Microsoft.Extensions.Logging;

namespace Broker.Dashboard.Jobs;

/// <summary>What the last looks found. It is in Hangfire's storage, so that every worker knows it and one of them tells it, once. Thread-safe.</summary>
internal sealed class Findings(JobStorage storage, TimeProvider time, ILogger<Findings> logger)
{
    private const string Hash = "broker:findings";
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    private volatile Known? _known;

    private sealed record Known(IReadOnlyList<Finding> All, long Read);

    /// <summary>What is stuck now, from memory; the storage is asked every few seconds at most.</summary>
    public IReadOnlyList<Finding> Current => _known is { } known && time.GetElapsedTime(known.Read) < Fresh ? known.All : Refresh();

    /// <summary>What was stuck when the storage was asked last. Asks nobody, for those who must not wait.</summary>
    public IReadOnlyList<Finding> Last => _known?.All ?? [];

    /// <summary>Asks the storage.</summary>
    public IReadOnlyList<Finding> Refresh()
    {
        IReadOnlyList<Finding> all = [.. Read().Values.OrderBy(f => f.Source, StringComparer.Ordinal).ThenBy(f => f.Since)];
        _known = new Known(all, time.GetTimestamp());
        return all;
    }

    /// <summary>Takes what a look at one source found, tells what is new as an error and what is over as an information, each once.</summary>
    /// <param name="source">The source.</param>
    /// <param name="kinds">The kinds that were looked for.</param>
    /// <param name="found">What was found: kind and words.</param>
    public void Take(string source, IReadOnlyList<string> kinds, IReadOnlyList<(string Kind, string What)> found)
    {
        using var connection = storage.GetConnection();
        using var _ = connection.AcquireDistributedLock("broker:findings", TimeSpan.FromSeconds(10));
        var before = Read();
        var changes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var kind in kinds)
        {
            var key = new Finding(source, kind, "", default).Key;
            var (was, now) = (before.GetValueOrDefault(key), found.FirstOrDefault(f => f.Kind == kind));
            if (now.What is null)
            {
                if (was is null)
                    continue;
                Log.Unstuck(logger, source, kind, time.GetUtcNow().UtcDateTime - was.Since);
                changes[key] = "";
                continue;
            }
            if (was is null)
                Log.Stuck(logger, source, kind, now.What);
            changes[key] = JsonSerializer.Serialize(new Finding(source, kind, now.What, was?.Since ?? time.GetUtcNow().UtcDateTime));
        }
        if (changes.Count == 0)
            return;
        using var transaction = connection.CreateWriteTransaction();
        transaction.SetRangeInHash(Hash, changes);
        transaction.Commit();
        Refresh();
    }

    /// <summary>Forgets the findings of sources that are gone.</summary>
    public void Keep(IReadOnlyCollection<string> sources)
    {
        foreach (var gone in Current.Where(f => !sources.Contains(f.Source)).ToList())
            Take(gone.Source, [gone.Kind], []);
    }

    private Dictionary<string, Finding> Read()
    {
        using var connection = storage.GetConnection();
        // A hash loses its fields only with itself, so an empty one stands for none.
        return (connection.GetAllEntriesFromHash(Hash) ?? []).Values.Where(text => text.Length > 0).Select(text => JsonSerializer.Deserialize<Finding>(text)!).ToDictionary(f => f.Key, StringComparer.Ordinal);
    }
}

namespace Broker.Campaigns;

/// <summary>What arrived, held against what was committed.</summary>
internal sealed class Verdict
{
    private readonly List<string> _faults = [];

    /// <summary>Promises that were broken; empty if all were kept.</summary>
    public IReadOnlyList<string> Faults => _faults;

    public int Arrived { get; private set; }

    /// <summary>Copies that a fault from outside explains.</summary>
    public int Copies { get; private set; }

    public static Verdict None => new();

    /// <summary>A time in which a fault from outside may have left copies, as time stamps.</summary>
    internal readonly record struct Window(long From, long To)
    {
        public static Window After(long from, TimeSpan time) => new(from, from + (long)(time.TotalSeconds * TimeProvider.System.TimestampFrequency));
    }

    public void Add(string fault) => _faults.Add(fault);

    /// <summary>Counts what arrived, where it was looked at in another way.</summary>
    public void Count(int arrived) => Arrived += arrived;

    public void AddRange(IEnumerable<string> faults) => _faults.AddRange(faults);

    /// <summary>Checks one source at rest: nothing lost, first deliveries in order per key, copies only when something happened, outbox and dead letters empty.</summary>
    public async Task CheckAsync(Database database, Writers writers, IReadOnlyList<Arrival> arrivals, IReadOnlyList<Window> windows)
    {
        _faults.AddRange(writers.Errors);
        var seen = new HashSet<Guid>();
        var first = new List<Arrival>();
        var strays = 0;
        foreach (var arrival in arrivals)
        {
            if (seen.Add(arrival.Id))
                first.Add(arrival);
            else if (!arrival.IsRedelivered && windows.Any(w => arrival.At >= w.From && arrival.At <= w.To))
                Copies++;
            else if (!arrival.IsRedelivered)
                strays++;
        }
        Arrived += first.Count;
        if (strays > 0)
            Add($"{strays} events came twice although nothing had happened");
        var byKey = first.Where(a => a.Key is not null).ToLookup(a => a.Key!, a => a.Version);
        foreach (var (key, version) in await writers.VersionsAsync())
        {
            var got = byKey[key].ToList();
            if (got.SequenceEqual(Enumerable.Range(1, (int)version).Select(v => (long)v)))
                continue;
            var place = got.Select((v, i) => v == i + 1).TakeWhile(isRight => isRight).Count();
            Add($"{key}: {got.Count} arrived of {version}; at place {place + 1} stands version {(place < got.Count ? got[place] : 0)}");
        }
        var unkeyed = writers.Commits.Where(c => c.Value.Key is null).Select(c => c.Key).ToHashSet();
        if (!unkeyed.SetEquals(first.Where(a => a.Key is null).Select(a => a.Id)))
            Add($"without a key: {first.Count(a => a.Key is null)} arrived of {unkeyed.Count}");
        // The last rows are settled just after they have arrived.
        var began = TimeProvider.System.GetTimestamp();
        while (await database.CountAsync("outbox_messages") > 0 && TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(15))
            await Task.Delay(100);
        if (await database.CountAsync("outbox_messages") is > 0 and var left)
            Add($"{left} rows are left in the outbox");
        if (await database.CountAsync("dead_letters") is > 0 and var dead)
            Add($"{dead} rows are in dead_letters");
    }
}

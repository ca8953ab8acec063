using Outbox.Locks;

namespace Broker.Tests.Invariants;

/// <summary>Relays that come, go and die, in virtual time: each beats by itself, sees what the database shows at that moment, and acts on it a little later.</summary>
internal sealed class FairShareModel(int partitions, int seed)
{
    public const int Lease = 10_000;

    private const int Stopping = 400;
    private readonly Random _random = new(seed);
    private readonly Dictionary<short, (string Owner, long Token, int ExpiresAt)> _leases = [];
    private readonly List<Node> _nodes = [];
    private int _now;
    private int _names;

    private sealed class Node(string name)
    {
        public string Name => name;

        public bool IsAlive { get; set; } = true;

        public int ExpiresAt { get; set; }

        public int NextBeat { get; set; }

        /// <summary>What it believes to hold: the token, its own deadline, and when it will have finished, if it is giving it up.</summary>
        public Dictionary<short, (long Token, int Deadline, int? EndsAt)> Held { get; } = [];

        public Dictionary<short, int> FreeSince { get; } = [];

        public Queue<short> ToTake { get; } = [];

        public int TakesAt { get; set; } = int.MaxValue;
    }

    /// <summary>How often a partition has been taken.</summary>
    public int Moves { get; private set; }

    public int Live => _nodes.Count(n => n.IsAlive);

    public string State => string.Join(" ", _nodes.Where(n => n.IsAlive).Select(n => $"{n.Name}:{n.Held.Count}"));

    public void Join() => _nodes.Add(new Node($"relay {_names++}") { NextBeat = _now });

    public void Kill() => OneOf(_nodes.Where(n => n.IsAlive)).IsAlive = false;

    public void Leave()
    {
        var node = OneOf(_nodes.Where(n => n.IsAlive));
        foreach (var (partition, held) in node.Held)
            Release(partition, held.Token);
        _nodes.Remove(node);
    }

    /// <summary>Runs on for a while, and checks at each moment that nobody else holds what a live relay holds.</summary>
    public void Run(int milliseconds)
    {
        for (var end = _now + milliseconds; _now < end; _now += 50)
        {
            foreach (var node in _nodes.Where(n => n.IsAlive).OrderBy(_ => _random.Next()))
                Step(node);
            var twice = _nodes.Where(n => n.IsAlive).SelectMany(n => n.Held.Where(h => h.Value.Deadline > _now).Select(h => h.Key)).GroupBy(p => p).FirstOrDefault(g => g.Count() > 1);
            if (twice is not null)
                throw new InvalidOperationException($"Partition {twice.Key} has two live holders at {_now}.");
        }
    }

    /// <summary>Whether all partitions are held, and nobody holds two more than another.</summary>
    public bool IsFair => _nodes.Where(n => n.IsAlive).Select(n => n.Held.Count).ToList() is { Count: > 0 } loads && loads.Sum() == partitions && loads.Max() - loads.Min() <= 1;

    /// <summary>The fewest moves that make it fair from here.</summary>
    public int Needed
    {
        get
        {
            var loads = _nodes.Where(n => n.IsAlive).Select(n => n.Held.Count).OrderDescending().ToList();
            return partitions - loads.Select((load, i) => Math.Min(load, (partitions / loads.Count) + (i < partitions % loads.Count ? 1 : 0))).Sum();
        }
    }

    private void Step(Node node)
    {
        foreach (var (partition, held) in node.Held.Where(h => h.Value.Deadline <= _now || h.Value.EndsAt <= _now).ToList())
        {
            node.Held.Remove(partition);
            Release(partition, held.Token);
            node.NextBeat = Math.Min(node.NextBeat, _now + 50);
        }
        if (_now >= node.TakesAt)
            Take(node);
        if (_now >= node.NextBeat)
            Beat(node);
    }

    private void Beat(Node node)
    {
        node.ExpiresAt = _now + Lease;
        foreach (var (partition, held) in node.Held.ToList())
        {
            if (_leases[partition].Token != held.Token)
                node.Held.Remove(partition);
            else
                (_leases[partition], node.Held[partition]) = ((node.Name, held.Token, _now + Lease), held with { Deadline = _now + (Lease * 9 / 10) });
        }
        var holders = _leases.Where(l => l.Value.ExpiresAt > _now).ToDictionary(l => l.Key, l => l.Value.Owner);
        for (short p = 0; p < partitions; p++)
        {
            if (holders.ContainsKey(p))
                node.FreeSince.Remove(p);
            else
                node.FreeSince.TryAdd(p, _now);
        }
        var others = _nodes.Where(n => n != node && n.ExpiresAt > _now).Select(n => n.Name);
        var decision = FairShare.Decide(partitions, node.Name, others, holders, node.FreeSince.Where(f => _now - f.Value > Lease).Select(f => f.Key).ToHashSet());
        foreach (var partition in decision.GiveUp)
            node.Held[partition] = node.Held[partition] with { EndsAt = node.Held[partition].EndsAt ?? _now + _random.Next(Stopping) };
        node.ToTake.Clear();
        foreach (var partition in decision.Take)
            node.ToTake.Enqueue(partition);
        // What it saw is old when it acts.
        node.TakesAt = node.ToTake.Count > 0 ? _now + _random.Next(200) : int.MaxValue;
        node.NextBeat = _now + 500 + _random.Next(500);
    }

    private void Take(Node node)
    {
        while (node.ToTake.TryDequeue(out var partition))
        {
            if (node.Held.ContainsKey(partition) || (_leases.TryGetValue(partition, out var lease) && lease.ExpiresAt > _now))
                continue;
            var token = lease.Token + 1;
            _leases[partition] = (node.Name, token, _now + Lease);
            node.Held[partition] = (token, _now + (Lease * 9 / 10), null);
            Moves++;
        }
        node.TakesAt = int.MaxValue;
    }

    private void Release(short partition, long token)
    {
        if (_leases[partition] is var lease && lease.Token == token)
            _leases[partition] = lease with { ExpiresAt = 0 };
    }

    private Node OneOf(IEnumerable<Node> nodes) => nodes.ToList() is var all ? all[_random.Next(all.Count)] : throw new InvalidOperationException();
}

namespace Outbox.Locks;

/// <summary>How live processes share partitions, a source's or a queue's: each decides for itself, from what all of them see, and all come to the same end.</summary>
/// <remarks>
/// Each is to have the same number, or one more where they do not divide evenly. Who has too many gives the surplus up; who has too few takes what is free.
/// Nobody takes from a living holder, and nobody who is balanced moves, so there is no back and forth. A lease decides who gets what two of them want.
/// </remarks>
internal static class FairShare
{
    /// <summary>What a process should do now.</summary>
    /// <param name="GiveUp">Partitions to let go.</param>
    /// <param name="Take">Free partitions to ask for, in this order.</param>
    internal sealed record Decision(IReadOnlyList<short> GiveUp, IReadOnlyList<short> Take);

    /// <param name="partitions">How many there are.</param>
    /// <param name="self">This process.</param>
    /// <param name="others">The other processes that live.</param>
    /// <param name="holders">Who holds which partition; those that are free are missing.</param>
    /// <param name="abandoned">Free partitions that nobody has taken for so long that the share does not matter.</param>
    public static Decision Decide(int partitions, string self, IEnumerable<string> others, IReadOnlyDictionary<short, string> holders, IReadOnlySet<short> abandoned)
    {
        var load = others.Append(self).Concat(holders.Values).Distinct(StringComparer.Ordinal).ToDictionary(o => o, _ => 0, StringComparer.Ordinal);
        foreach (var holder in holders.Values)
            load[holder]++;
        var (least, more) = (partitions / load.Count, partitions % load.Count);
        var most = least + (more > 0 ? 1 : 0);
        var held = holders.Where(h => h.Value == self).Select(h => h.Key).Order().ToList();
        var isSomeoneShort = load.Any(l => l.Key != self && l.Value < least);

        // What lies outside of the partitions is left over from a larger number of them.
        var giveUp = held.Where(p => p >= partitions).ToList();
        var surplus = held.Count - giveUp.Count - most;
        // Too many have one more than the least, while somebody has less: those that come last by name give it up.
        if (surplus == 0 && more > 0 && isSomeoneShort && load.Where(l => l.Value == most).Select(l => l.Key).Order(StringComparer.Ordinal).ToList().IndexOf(self) >= more)
            surplus = 1;
        giveUp.AddRange(held.Where(p => p < partitions).Reverse().Take(Math.Max(0, surplus)));

        var free = Enumerable.Range(0, partitions).Select(p => (short)p).Where(p => !holders.ContainsKey(p)).ToList();
        var wanted = held.Count < least ? least - held.Count : held.Count < most && !isSomeoneShort ? 1 : 0;
        // Everybody begins elsewhere, so that two who are short seldom ask for the same one.
        var first = free.Count == 0 ? 0 : (int)(Messages.Partitioner.PartitionOf(self, OutboxPartitions) % free.Count);
        var inOrder = free.Skip(first).Concat(free.Take(first)).ToList();
        return new Decision(giveUp, [.. inOrder.Take(wanted).Union(inOrder.Where(abandoned.Contains))]);
    }

    private const int OutboxPartitions = OutboxOptions.MaxPartitions;
}

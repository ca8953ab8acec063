using System.Collections.Immutable;
using System.Diagnostics.Metrics;

namespace Outbox.Diagnostics;

/// <summary>The gauges of the meter <c>Outbox</c>. A scrape reads what relays, consumers and recovery have left behind, and asks no database; what has ended is not reported any more.</summary>
/// <remarks>The one list that belongs to the process: so do the instruments, and a second instrument of the same name would be another series. Thread-safe.</remarks>
internal static class OutboxGauges
{
    private static ImmutableList<Func<SourceReading>> _sources = [];
    private static ImmutableList<Func<ConsumerReading>> _consumers = [];
    private static ImmutableList<Func<CoordinatorReading>> _coordinators = [];

    static OutboxGauges()
    {
        OfOutbox("outbox.backlog", "{message}", "Rows that wait in the outbox; an estimate beyond 20,000 in a partition.", o => o.Rows);
        OfOutbox("outbox.lag", "s", "How long the oldest row that could be published has been waiting.", o => o.Lag.TotalSeconds);
        OfOutbox("outbox.scheduled", "{message}", "Rows that are due later, up to 20,000.", o => o.Scheduled);
        OfOutbox("outbox.dead_letters.waiting", "{message}", "Dead letters, of the relay and of consumers of this database, that wait for an operator, up to 20,000.", o => o.DeadLetters);
        OfOutbox("outbox.deferred", "{message}", "Messages that consumers of this database have deferred, up to 20,000.", o => o.Deferred);
        OfOutbox("outbox.stray", "{message}", "Rows in partitions that nobody reads, up to 20,000.", o => o.Stray);
        OfSource("outbox.relay.up", "{relay}", "1 while the source's database answers this relay, else 0.", s => [new(s.IsUp ? 1 : 0, Source(s), new("engine", s.Engine))]);
        OfSource("outbox.relay.partitions", "{partition}", "Partitions that this process drains.", s => [new(s.Partitions, Source(s))]);
        OfSource("outbox.relay.blocked_keys", "{key}", "Keys that wait now: because a row of theirs is tried again, or because of a dead letter.",
            s => [new(s.RetryingKeys, Source(s), new("state", "retrying")), new(s.DeadLetterKeys, Source(s), new("state", "dead-letter"))]);
        OfSource("outbox.relay.blocked_types", "{type}", "Message types that cannot be published now.", s => [new(s.BlockedTypes, Source(s))]);
        OutboxMetrics.Meter.CreateObservableGauge("outbox.consumer.up", () => Volatile.Read(ref _consumers).Select(Consumer), "{consumer}", "1 while a consumer reads its queue, 0 while its database is away or its tables do not fit.");
        OutboxMetrics.Meter.CreateObservableGauge("outbox.two_phase.oldest_prepared", () => Volatile.Read(ref _coordinators).SelectMany(Coordinator), "s", "How long the oldest branch has been prepared; 0 while none is.");
    }

    /// <summary>Reports a source until the result is disposed of.</summary>
    public static IDisposable Add(Func<SourceReading> source)
    {
        ImmutableInterlocked.Update(ref _sources, list => list.Add(source));
        return new Entry(() => ImmutableInterlocked.Update(ref _sources, list => list.Remove(source)));
    }

    /// <summary>Reports a consumer until the result is disposed of.</summary>
    public static IDisposable Add(Func<ConsumerReading> consumer)
    {
        ImmutableInterlocked.Update(ref _consumers, list => list.Add(consumer));
        return new Entry(() => ImmutableInterlocked.Update(ref _consumers, list => list.Remove(consumer)));
    }

    /// <summary>Reports a coordinator until the result is disposed of.</summary>
    public static IDisposable Add(Func<CoordinatorReading> coordinator)
    {
        ImmutableInterlocked.Update(ref _coordinators, list => list.Add(coordinator));
        return new Entry(() => ImmutableInterlocked.Update(ref _coordinators, list => list.Remove(coordinator)));
    }

    private static void OfOutbox(string name, string unit, string description, Func<OutboxReading, double> value) =>
        OfSource(name, unit, description, s => s.Outbox is { } outbox ? [new(value(outbox), Source(s))] : []);

    private static void OfSource(string name, string unit, string description, Func<SourceReading, IEnumerable<Measurement<double>>> measure) =>
        OutboxMetrics.Meter.CreateObservableGauge(name, () => Volatile.Read(ref _sources).SelectMany(read => measure(read())), unit, description);

    private static Measurement<double> Consumer(Func<ConsumerReading> read) => read() is var consumer ? new(consumer.IsUp ? 1 : 0, new KeyValuePair<string, object?>("consumer", consumer.Consumer)) : default;

    private static IEnumerable<Measurement<double>> Coordinator(Func<CoordinatorReading> read) =>
        read() is { OldestPrepared: { } age } coordinator ? [new(age.TotalSeconds, new KeyValuePair<string, object?>("coordinator", coordinator.Coordinator))] : [];

    private static KeyValuePair<string, object?> Source(SourceReading reading) => new("source", reading.Source);

    private sealed class Entry(Action remove) : IDisposable
    {
        public void Dispose() => remove();
    }
}

using System.Collections.Concurrent;
using Outbox.Diagnostics;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>How the relay of one source stands, as its loop and its drainers leave it behind: for metrics and health, which ask no database and wait for nobody. Thread-safe.</summary>
internal sealed class SourceState(string source, SqlDialect dialect)
{
    private readonly KeyValuePair<string, object?> _source = new("source", source);
    private readonly ConcurrentDictionary<int, Failure> _undrained = [];
    private TimeProvider _time = TimeProvider.System;
    private Beats? _beats;
    private Failure? _failure;
    private Backlog? _backlog;
    private IReadOnlyList<BlockedKey> _blocked = [];
    private long _turnedAt;
    private long _publishedAt;
    private volatile bool _hasPublished;
    private volatile bool _hasHeld;
    private volatile bool _wasReached;
    private long _retryingKeys;
    private long _deadLetterKeys;
    private long _blockedTypes;

    /// <summary>The last beat that the database answered.</summary>
    /// <param name="At">When.</param>
    /// <param name="Partitions">How many partitions the outbox has.</param>
    /// <param name="Held">How many of them are drained here.</param>
    /// <param name="Others">How many other relays live.</param>
    internal sealed record Beats(long At, int Partitions, int Held, int Others);

    /// <summary>What kept the relay from its work last, and since when without a break.</summary>
    internal sealed record Failure(long Since, string Reason);

    /// <summary>What was found in the tables.</summary>
    internal sealed record Backlog(long At, OutboxReading Reading);

    /// <summary>The tag of this source.</summary>
    public KeyValuePair<string, object?> Source => _source;

    /// <summary>Whether its relay runs.</summary>
    public bool IsRunning => Volatile.Read(ref _turnedAt) != 0;

    /// <summary>See <see cref="Beats"/>; null before the first.</summary>
    public Beats? Beat => Volatile.Read(ref _beats);

    /// <summary>See <see cref="Failure"/>: of the relay itself, or else the oldest of its drainers'; null while all of them work.</summary>
    public Failure? Failed => Volatile.Read(ref _failure) ?? _undrained.Values.MinBy(f => f.Since);

    /// <summary>Whether its database has ever answered, or was found not to.</summary>
    public bool WasReached => _wasReached;

    /// <summary>Whether it has ever drained a partition.</summary>
    public bool HasHeld => _hasHeld;

    /// <summary>See <see cref="Backlog"/>; null where another relay looks.</summary>
    public Backlog? Looked => Volatile.Read(ref _backlog);

    /// <summary>What does not flow.</summary>
    public IReadOnlyList<BlockedKey> Blocked => Volatile.Read(ref _blocked);

    /// <summary>How long its loop has not turned. One that waits for a database turns too.</summary>
    public TimeSpan SinceTurn => Since(Volatile.Read(ref _turnedAt));

    /// <summary>How long nothing was confirmed here; from the start, if nothing ever was.</summary>
    public TimeSpan SincePublished => Since(Volatile.Read(ref _publishedAt));

    /// <summary>Whether anything was confirmed here since the start.</summary>
    public bool HasPublished => _hasPublished;

    /// <summary>How long ago a time of this state was.</summary>
    public TimeSpan Since(long timestamp) => _time.GetElapsedTime(timestamp);

    /// <inheritdoc cref="Since(long)"/>
    public TimeSpan Since(DateTime utc) => _time.GetUtcNow().UtcDateTime - utc;

    /// <summary>Its relay runs until the result is disposed of.</summary>
    public IDisposable Run(TimeProvider time)
    {
        _time = time;
        _undrained.Clear();
        Volatile.Write(ref _publishedAt, time.GetTimestamp());
        Turned();
        return new Running(this, OutboxGauges.Add(Read));
    }

    /// <summary>Its loop goes on.</summary>
    public void Turned() => Volatile.Write(ref _turnedAt, _time.GetTimestamp());

    /// <summary>Its database has answered.</summary>
    public void Answered(RelayBeat beat, int held, IReadOnlyList<BlockedKey> blocked)
    {
        Volatile.Write(ref _blocked, blocked);
        Volatile.Write(ref _beats, new Beats(_time.GetTimestamp(), beat.Partitions, held, beat.Others.Count));
        Volatile.Write(ref _failure, null);
        foreach (var gone in _undrained.Keys.Where(p => p >= beat.Partitions))
            Drains(gone);
        _wasReached = true;
        _hasHeld |= held > 0;
    }

    /// <summary>It drains so many partitions now.</summary>
    public void Holds(int partitions)
    {
        _hasHeld |= partitions > 0;
        if (Beat is { } beat && beat.Held != partitions)
            Volatile.Write(ref _beats, beat with { Held = partitions });
    }

    /// <summary>Its database, or its loop, has failed.</summary>
    public void Fail(string reason)
    {
        Volatile.Write(ref _failure, new Failure(Failed?.Since ?? _time.GetTimestamp(), reason));
        _wasReached = true;
    }

    /// <summary>The drainer of a partition has failed. The database may answer everything else, so it is kept until this partition is drained.</summary>
    public void FailDrain(int partition, string reason)
    {
        var text = $"Partition {partition} is not drained: {reason}";
        _undrained.AddOrUpdate(partition, _ => new Failure(_time.GetTimestamp(), text), (_, before) => before with { Reason = text });
        _wasReached = true;
    }

    /// <summary>A partition is drained again.</summary>
    public void Drains(int partition)
    {
        if (!_undrained.IsEmpty)
            _undrained.TryRemove(partition, out _);
    }

    /// <summary>These partitions are another relay's business.</summary>
    public void DrainedByOthers(IEnumerable<short> partitions)
    {
        foreach (var partition in partitions)
            Drains(partition);
    }

    /// <summary>The broker has confirmed messages.</summary>
    public void Published()
    {
        Volatile.Write(ref _publishedAt, _time.GetTimestamp());
        _hasPublished = true;
    }

    /// <summary>Its tables were looked into; null when another relay does so from now on.</summary>
    public void Look(OutboxReading? reading) => Volatile.Write(ref _backlog, reading is null ? null : new Backlog(_time.GetTimestamp(), reading));

    /// <summary>What does not flow in one of its partitions has become more or less.</summary>
    public void Block(int retrying, int deadLetters, int types)
    {
        Interlocked.Add(ref _retryingKeys, retrying);
        Interlocked.Add(ref _deadLetterKeys, deadLetters);
        Interlocked.Add(ref _blockedTypes, types);
    }

    private SourceReading Read() => new(
        source, dialect.Name, Beat is not null && Volatile.Read(ref _failure) is null, Beat?.Held ?? 0,
        Interlocked.Read(ref _retryingKeys), Interlocked.Read(ref _deadLetterKeys), Interlocked.Read(ref _blockedTypes), Looked?.Reading);

    private sealed class Running(SourceState state, IDisposable reported) : IDisposable
    {
        public void Dispose()
        {
            reported.Dispose();
            Volatile.Write(ref state._turnedAt, 0);
        }
    }
}

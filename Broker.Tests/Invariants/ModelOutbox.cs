using Broker.Relay;
using Outbox.Messages;
using Outbox.Sql;

namespace Broker.Tests.Invariants;

/// <summary>A database in memory: numbers are taken at the insert and show at the commit, transactions end in any order, and one lease at a time may delete.</summary>
internal sealed class ModelOutbox
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<long, Row> _visible = [];
    private readonly HashSet<long> _open = [];
    private readonly List<Row> _committed = [];
    private readonly List<(Row Row, bool Blocks)> _letters = [];
    private TaskCompletionSource? _empty;
    private long _last;
    private long _token;

    internal sealed record Row(long Sequence, Guid Id, string? Key);

    public IReadOnlyList<Row> Committed
    {
        get
        {
            lock (_lock)
                return [.. _committed];
        }
    }

    public Row Insert(string? key)
    {
        lock (_lock)
        {
            var row = new Row(++_last, Guid.CreateVersion7(), key);
            _open.Add(row.Sequence);
            return row;
        }
    }

    public void Commit(Row row)
    {
        lock (_lock)
        {
            _open.Remove(row.Sequence);
            _visible.Add(row.Sequence, row);
            _committed.Add(row);
        }
    }

    public void RollBack(Row row)
    {
        lock (_lock)
            _open.Remove(row.Sequence);
    }

    /// <summary>Completes when every committed row was published and deleted.</summary>
    public Task EmptyAsync()
    {
        lock (_lock)
        {
            _empty = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_visible.Count == 0 && _letters.Count == 0)
                _empty.SetResult();
            return _empty.Task.WaitAsync(TimeSpan.FromSeconds(60));
        }
    }

    /// <summary>An operator puts every dead letter back: those that block a key to their old places, the others with new numbers.</summary>
    public void Redrive()
    {
        lock (_lock)
        {
            foreach (var (row, blocks) in _letters)
            {
                var back = blocks ? row : row with { Sequence = ++_last };
                _visible.Add(back.Sequence, back);
            }
            _letters.Clear();
        }
    }

    /// <summary>A relay's view, whose token the next one makes stale.</summary>
    /// <param name="lateRows">How the engine shows what may still come.</param>
    public IOutboxStore Lease(LateRows lateRows)
    {
        lock (_lock)
            return new Store(this, ++_token, lateRows);
    }

    private sealed class Store(ModelOutbox outbox, long token, LateRows lateRows) : IOutboxStore
    {
        public LateRows LateRows => lateRows;

        public async Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> ReadAsync(long after, int limit, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
            {
                List<OutboxRow> rows = [.. outbox._visible.Values.Where(r => r.Sequence > after).Take(limit).Select(Read)];
                return (rows, rows.Count < limit);
            }
        }

        public async Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, bool stopsEarly, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
                return [.. sequences.Where(outbox._visible.ContainsKey).Select(s => Read(outbox._visible[s]))];
        }

        public async Task<IReadOnlyList<long>> ListAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
                return In(spans, outbox._visible.Keys, limit);
        }

        public async Task<IReadOnlyList<long>> ListUncommittedAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
                return In(spans, outbox._visible.Keys.Concat(outbox._open).Order(), limit);
        }

        public Task<bool> DropAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => SettleAsync(sequences, cancellationToken);

        public async Task<bool> SettleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
            {
                if (outbox._token != token)
                    return false;
                foreach (var sequence in sequences)
                    outbox._visible.Remove(sequence);
                if (outbox._visible.Count == 0 && outbox._letters.Count == 0)
                    outbox._empty?.TrySetResult();
                return true;
            }
        }

        public Task<bool> ExpireAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => SettleAsync(sequences, cancellationToken);

        public async Task<bool> DeadLetterAsync(IReadOnlyList<DeadRow> rows, CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
            {
                if (outbox._token != token)
                    return false;
                foreach (var row in rows)
                {
                    if (outbox._visible.Remove(row.Row.Sequence, out var found))
                        outbox._letters.Add((found, row.Blocks));
                }
                return true;
            }
        }

        public async Task<IReadOnlyList<BlockingLetter>> ReadBlockingAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
                return [.. outbox._letters.Where(l => l.Blocks).Select(l => new BlockingLetter(l.Row.Key!, l.Row.Sequence, "model", "by script", TimeSpan.Zero))];
        }

        public Task<bool> ScheduleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is scheduled here.");

        public Task<IReadOnlyList<(long Id, TimeSpan DueIn)>> ListScheduledAsync(int limit, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<(long, TimeSpan)>>([]);

        public Task<bool> ReturnAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is scheduled here.");

        public async Task<long?> ReadLastSequenceAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            lock (outbox._lock)
                return outbox._last;
        }

        public async Task<IReadOnlyList<(string Writer, string? IdleSince)>> ListWritersAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            // Each writes one row and is idle from then on.
            lock (outbox._lock)
                return [.. outbox._open.Select(s => ($"{s}", (string?)"since its insert"))];
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static IReadOnlyList<long> In(IReadOnlyList<(long First, long Last)> spans, IEnumerable<long> sequences, int limit) =>
            [.. sequences.Where(s => spans.Any(span => s >= span.First && s <= span.Last)).Take(limit)];

        private static OutboxRow Read(Row row) => new()
        {
            Sequence = row.Sequence,
            Type = row.Sequence % 3 == 0 ? "model.a.v1" : "model.b.v1",
            Key = row.Key,
            Envelope = new Envelope { MessageId = row.Id, Type = row.Sequence % 3 == 0 ? "model.a.v1" : "model.b.v1", PartitionKey = row.Key, Body = Array.Empty<byte>() },
        };
    }
}

using Outbox.Sql;

namespace Broker.Relay;

/// <summary>One partition of one outbox, as its relay reads and settles it. Reads and settles may overlap; two reads, or two settles, may not.</summary>
internal interface IOutboxStore : IAsyncDisposable
{
    /// <summary>How a row can appear below one that was read.</summary>
    LateRows LateRows { get; }

    /// <summary>The committed rows above a sequence, in order; fewer than <paramref name="limit"/> when their bodies are large. <c>IsEnd</c> tells that there were no more.</summary>
    Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> ReadAsync(long after, int limit, CancellationToken cancellationToken);

    /// <summary>Rows by their sequences, in order; those that are gone are left out, and the last ones too if <paramref name="stopsEarly"/> and their bodies are large.</summary>
    Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, bool stopsEarly, CancellationToken cancellationToken);

    /// <summary>The sequences of the committed rows in some ranges, in order, up to a number of them.</summary>
    Task<IReadOnlyList<long>> ListAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken);

    /// <summary>As <see cref="ListAsync"/>, with the rows that are not committed yet.</summary>
    Task<IReadOnlyList<long>> ListUncommittedAsync(IReadOnlyList<(long First, long Last)> spans, int limit, CancellationToken cancellationToken);

    /// <summary>Removes rows that were not published, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> DropAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>Removes published rows, or moves them to the archive, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> SettleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>Removes rows whose time has passed, or moves them to the archive as <c>expired</c>, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> ExpireAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>Moves rows to the dead letters in one transaction, if the lease is still held with its token; false if it is not (G5, G6). They are copied inside the database: what cannot be read can still be kept.</summary>
    Task<bool> DeadLetterAsync(IReadOnlyList<DeadRow> rows, CancellationToken cancellationToken);

    /// <summary>The dead letters that block a key, of the whole source.</summary>
    Task<IReadOnlyList<BlockingLetter>> ReadBlockingAsync(CancellationToken cancellationToken);

    /// <summary>Moves rows that are due much later aside, in one transaction, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> ScheduleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>The rows that were moved aside, the earliest due first, and how long each of them still has to wait: zero when it is due.</summary>
    Task<IReadOnlyList<(long Id, TimeSpan DueIn)>> ListScheduledAsync(int limit, CancellationToken cancellationToken);

    /// <summary>Moves rows that are due back, the earliest first, with new sequences, in one transaction, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> ReturnAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken);

    /// <summary>The highest sequence given out so far, committed or not; null if it is not known.</summary>
    Task<long?> ReadLastSequenceAsync(CancellationToken cancellationToken);

    /// <summary>The transactions that may still commit a sequence given out before the call, and since when they have been idle: a text that changes whenever they work, or null if that is not known.</summary>
    Task<IReadOnlyList<(string Writer, string? IdleSince)>> ListWritersAsync(CancellationToken cancellationToken);
}

namespace Broker.Relay;

/// <summary>One partition of one outbox, as its relay reads and settles it. Reads and settles may overlap; two reads, or two settles, may not.</summary>
internal interface IOutboxStore : IAsyncDisposable
{
    /// <summary>Whether rows become visible in the order of their sequences, so that no late one can appear below one that was read.</summary>
    bool CommitsInSequenceOrder { get; }

    /// <summary>The committed rows above a sequence, in order; fewer than <paramref name="limit"/> when their bodies are large. <c>IsEnd</c> tells that there were no more.</summary>
    Task<(IReadOnlyList<OutboxRow> Rows, bool IsEnd)> ReadAsync(long after, int limit, CancellationToken cancellationToken);

    /// <summary>Rows by their sequences, in order; those that are gone are left out.</summary>
    Task<IReadOnlyList<OutboxRow>> FetchAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>The sequences of all committed rows above one and up to another.</summary>
    Task<IReadOnlyList<long>> ListAsync(long after, long upTo, CancellationToken cancellationToken);

    /// <summary>Deletes rows, if the lease is still held with its token; false if it is not (G5).</summary>
    Task<bool> SettleAsync(IReadOnlyList<long> sequences, CancellationToken cancellationToken);

    /// <summary>The highest sequence given out so far, committed or not; null if it is not known.</summary>
    Task<long?> ReadLastSequenceAsync(CancellationToken cancellationToken);

    /// <summary>The transactions that may still commit a sequence given out before the call.</summary>
    Task<IReadOnlyCollection<string>> ListWritersAsync(CancellationToken cancellationToken);
}

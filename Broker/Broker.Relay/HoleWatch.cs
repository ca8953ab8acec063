using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Tells at which missing numbers nothing can appear any more.</summary>
internal abstract class HoleWatch
{
    /// <summary>Ranges of one look at the database, and of one statement; more are joined.</summary>
    public const int MaxSpans = 200;

    public static HoleWatch For(IOutboxStore store, TimeProvider time) => store.LateRows switch
    {
        LateRows.Never => new Nothing(),
        LateRows.UntilWritersEnd => new WriterWatch(store, time),
        _ => new UncommittedWatch(store, time),
    };

    /// <summary>Looks, now and then. Called before a look reads: what it finds was committed, or will never be, before that read.</summary>
    /// <param name="holes">The missing numbers; not changed.</param>
    /// <param name="cursor">The highest number seen.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public abstract Task<IReadOnlyList<Closed>> LookAsync(SequenceHoles holes, long cursor, CancellationToken cancellationToken);

    /// <summary>The numbers have started again: trusts nothing that it knows.</summary>
    public abstract void Forget();

    /// <summary>Holes that can be closed: those above one number and up to another, except some.</summary>
    internal sealed record Closed(long After, long UpTo, IReadOnlyCollection<long> Except);

    private sealed class Nothing : HoleWatch
    {
        public override Task<IReadOnlyList<Closed>> LookAsync(SequenceHoles holes, long cursor, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Closed>>([]);

        public override void Forget()
        {
        }
    }
}

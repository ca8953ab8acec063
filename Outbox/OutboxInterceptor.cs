using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Outbox;

/// <summary>Tells the relay when events were committed, and lets go of their rows so that a long-lived context does not collect them.</summary>
internal sealed class OutboxInterceptor(OutboxSignal signal) : ISaveChangesInterceptor, IDbTransactionInterceptor
{
    private readonly ConditionalWeakTable<DbContext, object> _uncommitted = [];

    public int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        Saved(eventData.Context);
        return result;
    }

    public ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        Saved(eventData.Context);
        return ValueTask.FromResult(result);
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Committed(eventData.Context);

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Committed(eventData.Context);
        return Task.CompletedTask;
    }

    private void Saved(DbContext? context)
    {
        if (context is null)
            return;
        var saved = false;
        // Rows that are still "added" belong to a SaveChanges(acceptAllChangesOnSuccess: false): its caller may have to save them again.
        foreach (var entry in context.ChangeTracker.Entries<OutboxMessage>().Where(e => e.State == EntityState.Unchanged).ToList())
        {
            entry.State = EntityState.Detached;
            saved = true;
        }
        if (!saved)
            return;
        if (context.Database.CurrentTransaction is null)
            signal.Raise();
        else
            _uncommitted.AddOrUpdate(context, signal);
    }

    private void Committed(DbContext? context)
    {
        if (context is not null && _uncommitted.Remove(context))
            signal.Raise();
    }
}

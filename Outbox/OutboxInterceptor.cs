using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Transactions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;
using Outbox.Messages;
using Outbox.Receipts;

namespace Outbox;

/// <summary>Finds the partitions of events when they are written, tells the relay when they were committed, and lets go of their rows so that a long-lived context does not collect them.</summary>
internal sealed class OutboxInterceptor(OutboxRegistration registration) : ISaveChangesInterceptor, IDbTransactionInterceptor
{
    private readonly ConditionalWeakTable<DbContext, object> _uncommitted = [];
    private readonly ConditionalWeakTable<DbTransaction, object> _foreign = [];
    private readonly ConditionalWeakTable<DbContext, object> _saving = [];

    public OutboxRegistration Registration => registration;

    /// <summary>Whether the context's rows have been placed: what another interceptor adds from now on must be placed when it is added.</summary>
    public bool IsSaving(DbContext context) => _saving.TryGetValue(context, out _);

    public InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (eventData.Context is { } context)
        {
            if (HasKeys(context))
                Place(context, registration.GetPartitions(context));
            _saving.AddOrUpdate(context, registration);
        }
        return result;
    }

    public async ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (eventData.Context is { } context)
        {
            if (HasKeys(context))
                Place(context, await registration.GetPartitionsAsync(context, cancellationToken).ConfigureAwait(false));
            _saving.AddOrUpdate(context, registration);
        }
        return result;
    }

    public void SaveChangesFailed(DbContextErrorEventData eventData) => Ended(eventData.Context);

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        Ended(eventData.Context);
        return Task.CompletedTask;
    }

    public void SaveChangesCanceled(DbContextEventData eventData) => Ended(eventData.Context);

    public Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default)
    {
        Ended(eventData.Context);
        return Task.CompletedTask;
    }

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

    public DbTransaction TransactionUsed(DbConnection connection, TransactionEventData eventData, DbTransaction result)
    {
        _foreign.AddOrUpdate(result, registration);
        return result;
    }

    public ValueTask<DbTransaction> TransactionUsedAsync(DbConnection connection, TransactionEventData eventData, DbTransaction result, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(TransactionUsed(connection, eventData, result));

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Committed(eventData.Context);

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Committed(eventData.Context);
        return Task.CompletedTask;
    }

    private void Ended(DbContext? context)
    {
        if (context is not null)
            _saving.Remove(context);
    }

    private static bool HasKeys(DbContext context) => Added(context).Count > 0;

    private static List<EntityEntry<OutboxMessage>> Added(DbContext context)
    {
        // The rows were added by name, so there is nothing to detect; that is done once, by what follows.
        var detects = context.ChangeTracker.AutoDetectChangesEnabled;
        context.ChangeTracker.AutoDetectChangesEnabled = false;
        try
        {
            return [.. context.ChangeTracker.Entries<OutboxMessage>().Where(e => e.State == EntityState.Added && e.Entity.PartitionKey is not null)];
        }
        finally
        {
            context.ChangeTracker.AutoDetectChangesEnabled = detects;
        }
    }

    private static void Place(DbContext context, int partitions)
    {
        var added = Added(context);
        if (added.TrueForAll(e => e.Entity.Partition == Partitioner.PartitionOf(e.Entity.PartitionKey, partitions)))
            return;
        // The partition is in the key, and keys of tracked rows do not change. G3: all are added again, in their order, which is that of their provisional numbers.
        foreach (var row in added.OrderBy(e => e.Property(m => m.Sequence).CurrentValue).Select(e => e.Entity).ToList())
        {
            context.Entry(row).State = EntityState.Detached;
            row.Partition = Partitioner.PartitionOf(row.PartitionKey, partitions);
            context.Add(row);
        }
    }

    private void Saved(DbContext? context)
    {
        Ended(context);
        if (context is null)
            return;
        var saved = false;
        // Rows that are still "added" belong to a SaveChanges(acceptAllChangesOnSuccess: false): its caller may have to save them again.
        foreach (var entry in context.ChangeTracker.Entries<OutboxMessage>().Where(e => e.State == EntityState.Unchanged).ToList())
        {
            entry.State = EntityState.Detached;
            saved = true;
        }
        foreach (var entry in context.ChangeTracker.Entries<ReceiptRequest>().Where(e => e.State == EntityState.Unchanged).ToList())
            entry.State = EntityState.Detached;
        if (!saved)
            return;
        if (context.Database.CurrentTransaction is { } transaction)
        {
            _uncommitted.AddOrUpdate(context, registration);
            // Whoever made it may commit it without the context's knowledge.
            if (_foreign.TryGetValue(transaction.GetDbTransaction(), out _))
                registration.Signal.RaiseSoon();
        }
        else if ((context.Database.GetEnlistedTransaction() ?? Transaction.Current) is { } ambient)
        {
            ambient.TransactionCompleted += (_, _) => registration.Signal.Raise();
        }
        else
        {
            registration.Signal.Raise();
        }
    }

    private void Committed(DbContext? context)
    {
        if (context is not null && _uncommitted.Remove(context))
            registration.Signal.Raise();
    }
}

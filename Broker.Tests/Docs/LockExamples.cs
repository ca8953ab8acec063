using System.Data.Common;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Outbox.Etcd;
using Outbox.Locks;
using Outbox.PartitionedWork;
using Outbox.Redis;

namespace Broker.Tests.Docs;

// The code that docs/locks.md and README.md show. DocumentationTests holds them together.
internal static class LockExamples
{
    public static async Task GuardAsync(IDistributedLocks locks, DbConnection connection, CancellationToken cancellationToken)
    {
        await using var settlement = await locks.AcquireAsync("nightly-settlement", cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await settlement.GuardAsync(transaction, cancellationToken);   // a holder that has slept past its lease fails here
    }

    public static async Task SettleAsync(IDistributedLocks locks, OrdersContext db, CancellationToken cancellationToken)
    {
        await using var settlement = await locks.TryAcquireAsync("nightly-settlement", wait: TimeSpan.FromSeconds(5), cancellationToken);
        if (settlement is null)
            return;                                                    // another process does it
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await settlement.GuardAsync(db, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    public static async Task SeveralAsync(IDistributedLocks locks, DbTransaction transaction, CancellationToken cancellationToken)
    {
        await using var accounts = await locks.AcquireAllAsync(["account-7", "account-3"], cancellationToken);
        await accounts.GuardAsync(transaction, cancellationToken);
    }

    public static void Configure(WebApplicationBuilder builder)
    {
        builder.Services.AddRedisLocks("redis.internal:6379");
        builder.Services.AddEtcdLocks(["https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"]);
        builder.Services.AddPartitionedWorker<IndexProducts>(partitions: 32);
    }

    private sealed class IndexProducts(OrdersContext db) : IPartitionedWorker
    {
        public async Task RunAsync(PartitionRun run, CancellationToken stoppingToken)
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                await using var transaction = await db.Database.BeginTransactionAsync(CancellationToken.None);
                await run.GuardAsync(db, CancellationToken.None);
                await IndexNextAsync(run.Partition, run.Partitions);
                await transaction.CommitAsync(CancellationToken.None);
            }
        }

        private Task IndexNextAsync(int partition, int partitions) => db.Orders.Where(o => o.Quantity % partitions == partition).LoadAsync();
    }
}

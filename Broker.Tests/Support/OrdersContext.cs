using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Outbox;
using Outbox.Messages;

namespace Broker.Tests.Support;

/// <summary>A service's own data, for tests of what commits with it.</summary>
internal class OrdersContext : DbContext
{
    public OrdersContext(DbContextOptions<OrdersContext> options) : base(options)
    {
    }

    protected OrdersContext(DbContextOptions options) : base(options)
    {
    }

    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOutbox();
        modelBuilder.Entity<Order>(entity =>
        {
            entity.ToTable("orders").HasKey(o => o.Id);
            entity.Property(o => o.Id).HasColumnName("id");
            entity.Property(o => o.Number).HasColumnName("number");
            entity.HasIndex(o => o.Number).IsUnique();
        });
    }

    /// <summary>A context of its own, made without a container; its tables too when asked for.</summary>
    public static async Task<OrdersContext> CreateAsync(TestDatabase database, bool createTables = false)
    {
        var options = new DbContextOptionsBuilder<OrdersContext>();
        database.Configure(options);
        var context = new OrdersContext(options.Options);
        if (createTables)
            await context.CreateTablesAsync();
        return context;
    }

    public Task CreateTablesAsync() => this.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
}

internal sealed class Order
{
    public Guid Id { get; init; } = Guid.CreateVersion7();

    public string Number { get; set; } = "";
}

[MessageType("orders.order-placed.v1")]
internal sealed record OrderPlaced(string Number);

[MessageType("orders.order-cancelled.v1")]
internal sealed record OrderCancelled(string Number);

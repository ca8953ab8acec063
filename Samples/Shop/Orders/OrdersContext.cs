using Microsoft.EntityFrameworkCore;
using Outbox;

namespace Shop.Orders;

internal sealed class OrdersContext(DbContextOptions<OrdersContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();

    public DbSet<CustomerNumbers> Numbers => Set<CustomerNumbers>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOutbox();
        modelBuilder.Entity<Order>(order =>
        {
            order.Property(o => o.Id).ValueGeneratedNever();
            order.HasIndex(o => new { o.CustomerId, o.Number }).IsUnique();
        });
    }
}

using Microsoft.EntityFrameworkCore;
using Outbox;
using Shop.Hosting;

namespace Shop.Orders.EntityFramework;

internal class OrdersContext : DbContext
{
    public OrdersContext(DbContextOptions<OrdersContext> options) : base(options)
    {
    }

    /// <summary>For the contexts of Shop.Migrations.</summary>
    protected OrdersContext(DbContextOptions options) : base(options)
    {
    }

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
        modelBuilder.UseLowerCaseNames();
    }
}

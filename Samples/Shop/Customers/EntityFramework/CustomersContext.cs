using Microsoft.EntityFrameworkCore;
using Outbox;
using Shop.Hosting;

namespace Shop.Customers.EntityFramework;

internal class CustomersContext : DbContext
{
    public CustomersContext(DbContextOptions<CustomersContext> options) : base(options)
    {
    }

    /// <summary>For the contexts of Shop.Migrations.</summary>
    protected CustomersContext(DbContextOptions options) : base(options)
    {
    }

    public DbSet<CustomerAccount> Accounts => Set<CustomerAccount>();

    public DbSet<Payment> Payments => Set<Payment>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOutbox();
        modelBuilder.Entity<Payment>().Property(p => p.OrderId).ValueGeneratedNever();
        modelBuilder.UseLowerCaseNames();
    }
}

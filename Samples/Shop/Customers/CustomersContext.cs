using Microsoft.EntityFrameworkCore;
using Outbox;

namespace Shop.Customers;

internal sealed class CustomersContext(DbContextOptions<CustomersContext> options) : DbContext(options)
{
    public DbSet<CustomerAccount> Accounts => Set<CustomerAccount>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.UseOutbox();
}

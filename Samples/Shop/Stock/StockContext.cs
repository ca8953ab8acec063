using Microsoft.EntityFrameworkCore;
using Outbox;

namespace Shop.Stock;

internal sealed class StockContext(DbContextOptions<StockContext> options) : DbContext(options)
{
    public DbSet<StockItem> Items => Set<StockItem>();

    public DbSet<Reservation> Reservations => Set<Reservation>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOutbox();
        modelBuilder.Entity<Reservation>().Property(r => r.OrderId).ValueGeneratedNever();
        modelBuilder.Entity<StockItem>().HasData(StockCatalogue.Skus.Select(sku => new StockItem { Sku = sku }));
    }
}

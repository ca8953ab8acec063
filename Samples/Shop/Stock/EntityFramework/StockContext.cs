using Microsoft.EntityFrameworkCore;
using Outbox;
using Shop.Hosting;

namespace Shop.Stock.EntityFramework;

internal class StockContext : DbContext
{
    public StockContext(DbContextOptions<StockContext> options) : base(options)
    {
    }

    /// <summary>For the contexts of Shop.Migrations.</summary>
    protected StockContext(DbContextOptions options) : base(options)
    {
    }

    public DbSet<StockItem> Items => Set<StockItem>();

    public DbSet<Reservation> Reservations => Set<Reservation>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOutbox();
        modelBuilder.Entity<Reservation>().Property(r => r.OrderId).ValueGeneratedNever();
        modelBuilder.Entity<StockItem>().HasData(StockCatalogue.Skus.Select(sku => new StockItem { Sku = sku, Free = StockCatalogue.PiecesEach }));
        modelBuilder.UseLowerCaseNames();
    }
}

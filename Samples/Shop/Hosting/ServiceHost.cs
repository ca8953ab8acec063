using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Shop.Customers;
using Shop.Customers.PlainSql;
using Shop.Orders;
using Shop.Orders.PlainSql;
using Shop.Stock;
using Shop.Stock.PlainSql;

namespace Shop.Hosting;

/// <summary>Makes the host of a service, the same whether it has a process of its own or shares one.</summary>
internal static class ServiceHost
{
    public static async Task<IHost> CreateAsync(ServiceSettings settings, Action<OutboxBuilder> connect, LogLevel logLevel, CancellationToken cancellationToken)
    {
        switch (settings.Service)
        {
            case "orders":
                await ServiceTables.CreateAsync(settings, OrdersTables.Script, cancellationToken);
                var builder = WebApplication.CreateSlimBuilder();
                builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port: 0));
                Prepare(builder, settings, logLevel);
                builder.Services.AddOrders(settings, connect);
                var app = builder.Build();
                app.MapOrders();
                return app;
            case "stock":
                await ServiceTables.CreateAsync(settings, StockTables.Script, cancellationToken);
                var stock = Host.CreateApplicationBuilder();
                Prepare(stock, settings, logLevel);
                stock.Services.AddStock(settings, connect);
                return stock.Build();
            case "customers":
                await ServiceTables.CreateAsync(settings, CustomersTables.Script, cancellationToken);
                var customers = Host.CreateApplicationBuilder();
                Prepare(customers, settings, logLevel);
                customers.Services.AddCustomers(settings, connect);
                return customers.Build();
            default:
                throw new ArgumentException($"There is no service '{settings.Service}'. Use orders, stock or customers.", nameof(settings));
        }
    }

    private static void Prepare(IHostApplicationBuilder builder, ServiceSettings settings, LogLevel logLevel)
    {
        builder.Logging.ClearProviders()
            .SetMinimumLevel(logLevel)
            .AddFilter("Microsoft", LogLevel.Warning)
            // Two orders of one customer at the same moment are expected, and OrderDesk tries again; EF Core would log each as an error.
            .AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Critical)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "HH:mm:ss.fff ";
            });
        if (Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 })
            ServiceTelemetry.Add(builder.Services, settings.Service);
        // Registered first, so that it is stopped last and counts everything.
        builder.Services.AddHostedService(services => new ServiceStatusWriter(settings.StatusFile, services));
    }
}

using Broker.Dashboard;
using Broker.Dashboard.Jobs;
using Broker.Dashboard.Security;
using Broker.Relay;
using Broker.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.RabbitMQ;

namespace Broker.Hosting;

/// <summary>The worker as a host: what its roles need, and a web server if it listens anywhere.</summary>
internal static class WorkerHost
{
    /// <summary>Builds it. A worker that listens nowhere has no web server and loads none.</summary>
    public static IHost Build(IConfiguration configuration, BrokerSettings settings, HostSettings hosting, FileInfo? file, string contents) =>
        hosting.Urls.Count == 0 ? BuildPlain(configuration, settings, hosting, file, contents) : BuildWeb(configuration, settings, hosting, file, contents);

    private static IHost BuildPlain(IConfiguration configuration, BrokerSettings settings, HostSettings hosting, FileInfo? file, string contents)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker" });
        Configure(builder, configuration, settings, hosting, file, contents);
        var host = builder.Build();
        TellOfStorage(host, hosting);
        return host;
    }

    private static WebApplication BuildWeb(IConfiguration configuration, BrokerSettings settings, HostSettings hosting, FileInfo? file, string contents)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "broker" });
        Configure(builder, configuration, settings, hosting, file, contents);
        builder.WebHost.UseKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Who needs more says so for its own path.
            kestrel.Limits.MaxRequestBodySize = DashboardGate.MostBytes;
            // Certificates and limits as in any ASP.NET Core program.
            kestrel.Configure(configuration.GetSection("Kestrel"));
        }).UseUrls([.. hosting.Urls]);
        builder.Services.AddRouting();
        if (hosting.Roles.HasFlag(WorkerRoles.Dashboard))
            builder.Services.AddBrokerDashboard(hosting.Dashboard);
        var app = builder.Build();
        TellOfStorage(app, hosting);
        if (hosting.Proxies.Count > 0)
            app.UseForwardedHeaders(ForwardedBy(hosting.Proxies));
        app.UseMiddleware<SecurityHeaders>();
        app.UseRouting();
        app.MapTelemetry(TelemetryConfiguration.Read(configuration));
        if (hosting.Roles.HasFlag(WorkerRoles.Dashboard))
            app.MapBrokerDashboard();
        return app;
    }

    private static void TellOfStorage(IHost host, HostSettings hosting)
    {
        if (hosting.Roles != WorkerRoles.Relay)
            JobStorages.Tell(host.Services);
    }

    /// <summary>Only what the configured proxies say counts, and only the last hops that are theirs.</summary>
    private static ForwardedHeadersOptions ForwardedBy(IReadOnlyList<System.Net.IPNetwork> proxies)
    {
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost, ForwardLimit = null };
        // Loopback is among them by default.
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var proxy in proxies)
            options.KnownIPNetworks.Add(proxy);
        return options;
    }

    private static void Configure(IHostApplicationBuilder builder, IConfiguration configuration, BrokerSettings settings, HostSettings hosting, FileInfo? file, string contents)
    {
        builder.Configuration.AddConfiguration(configuration);
        builder.Logging
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)
            // It would say with each probe what the probe is told.
            .AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None)
            .AddFilter("Broker.Dashboard.Security", LogLevel.Warning)
            .AddFilter("Hangfire", LogLevel.Warning)
            // It would say with each try, and a stack, what JobStorageWatch says once.
            .AddFilter("Hangfire.SqlServer.SqlServerObjectsInstaller", LogLevel.None)
            .AddFilter("Hangfire.SqlServer.SqlServerStorage", LogLevel.None)
            .AddFilter("Hangfire.PostgreSql.PostgreSqlStorage", LogLevel.None)
            .AddConfiguration(configuration.GetSection("Logging"))
            .AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-dd HH:mm:ss.fff ";
            });
        var services = builder.Services;
        services.Configure<HostOptions>(host =>
        {
            host.ShutdownTimeout = TimeSpan.FromSeconds(10);
            // Relays and jobs may each take five seconds, and together they have ten.
            host.ServicesStopConcurrently = true;
        });
        // First, so that it waits for nothing of the others.
        if (hosting.Roles.HasFlag(WorkerRoles.Relay))
            AddRelay(services, settings);
        if (hosting.Roles != WorkerRoles.Relay)
        {
            services.AddSingleton(_ => new DashboardSources(settings));
            services.AddSingleton<IDashboardSources>(provider => provider.GetRequiredService<DashboardSources>());
            services.AddSingleton<IDashboardCoordinators>(provider => new DashboardCoordinators(settings, provider.GetRequiredService<IDashboardSources>(), TimeProvider.System, provider.GetRequiredService<ILogger<DashboardCoordinators>>()));
            services.AddBrokerHangfire(hosting.Jobs);
        }
        if (hosting.Roles.HasFlag(WorkerRoles.Jobs))
            services.AddBrokerJobs();
        services.AddTelemetry(TelemetryConfiguration.Read(configuration), listens: hosting.Urls.Count > 0);
        services.AddSingleton(provider => new ConfigurationReload(
            file, contents, settings, provider.GetService<RelaySources>(), provider.GetService<RelayService>(), provider.GetService<DashboardSources>(), TimeProvider.System, provider.GetRequiredService<ILogger<ConfigurationReload>>()));
        // Last, so that it stops first.
        services.AddHostedService(provider => provider.GetRequiredService<ConfigurationReload>());
        // The empty builder brings no lifetime of its own.
        services.AddSingleton<IHostLifetime, Microsoft.Extensions.Hosting.Internal.ConsoleLifetime>();
        // Under systemd another takes its place, which says when the worker is ready and when it stops.
        services.AddSystemd();
    }

    private static void AddRelay(IServiceCollection services, BrokerSettings settings)
    {
        services.AddSingleton(provider => new RabbitMqTransport(settings.RabbitMq!, provider.GetRequiredService<ILoggerFactory>(), TimeProvider.System));
        services.AddSingleton(provider =>
        {
            var sources = new RelaySources(provider.GetRequiredService<RabbitMqTransport>());
            sources.Take(settings);
            return sources;
        });
        services.AddSingleton(provider => new RelayService(
            provider.GetRequiredService<RelaySources>().Current, TimeProvider.System, provider.GetRequiredService<ILogger<RelayService>>(), StepSignals.None));
        services.AddHostedService(provider => provider.GetRequiredService<RelayService>());
    }
}

using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Diagnostics;
using Outbox.RabbitMQ;

namespace Broker.Commands;

/// <summary><c>broker run</c>: relays every configured source until it is told to stop.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var command = new Command("run", "Relay the events of all configured sources until stopped (Ctrl-C or SIGTERM).") { config };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(() => RunAsync(parsed.GetValue(config), cancellationToken)));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? file, CancellationToken cancellationToken)
    {
        var configuration = BrokerConfiguration.Load(file);
        var settings = BrokerConfiguration.Read(configuration);

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "broker" });
        builder.Configuration.AddConfiguration(configuration);
        builder.Logging
            .AddConfiguration(configuration.GetSection("Logging"))
            .AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-dd HH:mm:ss.fff ";
            });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(10));
        builder.Services.AddSingleton<IHostedService>(services => new RelayService(
            services.GetRequiredService<IReadOnlyList<RelaySource>>(), TimeProvider.System, services.GetRequiredService<ILogger<RelayService>>(), StepSignals.None));
        builder.Services.AddSingleton(services => new RabbitMqTransport(settings.RabbitMq!, services.GetRequiredService<ILoggerFactory>(), TimeProvider.System));
        builder.Services.AddSingleton<IReadOnlyList<RelaySource>>(services => [.. settings.Sources.Select(source => new RelaySource
        {
            Name = source.Name,
            Dialect = source.Dialect,
            DataSource = DataSources.Create(source.Dialect, source.ConnectionString, settings.Relay.MaxConnections),
            Transport = services.GetRequiredService<RabbitMqTransport>(),
            Exchange = source.Exchange,
            Options = settings.Relay,
        })]);
        // The empty builder brings no lifetime of its own.
        builder.Services.AddSingleton<IHostLifetime, Microsoft.Extensions.Hosting.Internal.ConsoleLifetime>();

        using var host = builder.Build();
        await StartupCheck.RunAsync(
            host.Services.GetRequiredService<IReadOnlyList<RelaySource>>(),
            host.Services.GetRequiredService<RabbitMqTransport>(),
            host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Broker"),
            cancellationToken);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"broker relays {settings.Sources.Count} source(s): {string.Join(", ", settings.Sources.Select(s => $"{s.Name} ({s.Dialect})"))}. Stop with Ctrl-C."));
        await host.RunAsync(cancellationToken);
        return ExitCodes.Ok;
    }
}

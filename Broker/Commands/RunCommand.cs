using System.CommandLine;
using System.Globalization;
using Broker.Dashboard;
using Broker.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.RabbitMQ;

namespace Broker.Commands;

/// <summary><c>broker run</c>: relays every configured source, runs the jobs and serves the dashboard until it is told to stop.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var roles = new Option<string?>("--roles")
        {
            Description = "What it does: one or more of relay, jobs and dashboard, with commas. Default: Broker:Roles, or all three.",
            HelpName = "roles",
        };
        var urls = new Option<string?>("--urls")
        {
            Description = $"Where it listens, for example http://*:8080. Default: Broker:Http:Urls, or {HostSettings.DefaultUrl}; without the role dashboard, nowhere.",
            HelpName = "urls",
        };
        var command = new Command("run", "Relay the events of all configured sources, run the jobs and serve the dashboard until stopped (Ctrl-C or SIGTERM).") { config, roles, urls };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(() => RunAsync(parsed.GetValue(config), parsed.GetValue(roles), parsed.GetValue(urls), cancellationToken)));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? file, string? roles, string? urls, CancellationToken cancellationToken)
    {
        var contents = ConfigurationReload.ContentsOf(file);
        var configuration = BrokerConfiguration.Load(file);
        var hosting = HostConfiguration.Read(configuration, roles, urls);
        var relays = hosting.Roles.HasFlag(WorkerRoles.Relay);
        var settings = BrokerConfiguration.Read(configuration, needsRabbitMq: relays);

        ListenCheck.Run(hosting.Urls);

        using var host = WorkerHost.Build(configuration, settings, hosting, file, contents);
        if (relays)
        {
            await StartupCheck.RunAsync(
                host.Services.GetRequiredService<RelaySources>().Current,
                host.Services.GetRequiredService<RabbitMqTransport>(),
                host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Broker"),
                cancellationToken);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"broker {(relays ? "relays" : "looks after")} {settings.Sources.Count} source(s): {string.Join(", ", settings.Sources.Select(s => $"{s.Name} ({s.Dialect})"))}. Stop with Ctrl-C."));
        if (hosting.Roles.HasFlag(WorkerRoles.Dashboard))
            Console.WriteLine($"Dashboard: {string.Join(", ", hosting.Urls.Select(url => url.TrimEnd('/') + DashboardSettings.Path))}");
        await host.RunAsync(cancellationToken);
        return ExitCodes.Ok;
    }
}

using System.Net;
using Microsoft.Extensions.Configuration;
using Outbox;

namespace Broker.Hosting;

/// <summary>Reads how the worker is hosted: <c>Broker:Roles</c>, <c>Broker:Http</c>, <c>Broker:Jobs</c> and <c>Broker:Dashboard</c>.</summary>
internal static class HostConfiguration
{
    /// <summary>Reads and checks it.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="roles">The roles of the command line, which win; null: those of the configuration.</param>
    /// <param name="urls">The addresses of the command line, which win.</param>
    public static HostSettings Read(IConfiguration configuration, string? roles, string? urls)
    {
        var broker = configuration.GetSection("Broker");
        BrokerConfiguration.RefuseUnknown(broker.GetSection("Http"), "Urls", "Proxies");
        var wanted = roles is not null ? RolesOf("--roles", roles) : broker["Roles"] is { } configured ? RolesOf("Broker:Roles", configured) : WorkerRoles.All;
        var (key, text) = urls is not null ? ("--urls", urls) : ("Broker:Http:Urls", broker["Http:Urls"]);
        return new HostSettings
        {
            Roles = wanted,
            Urls = text is not null ? UrlsOf(key, text) : wanted.HasFlag(WorkerRoles.Dashboard) ? [HostSettings.DefaultUrl] : [],
            Dashboard = DashboardConfiguration.Read(broker.GetSection("Dashboard")),
            Jobs = JobsConfiguration.Read(broker.GetSection("Jobs"), runsHere: wanted.HasFlag(WorkerRoles.Jobs)),
            Proxies = ProxiesOf(broker.GetSection("Http:Proxies")),
        };
    }

    private static WorkerRoles RolesOf(string key, string text)
    {
        WorkerRoles roles = 0;
        foreach (var name in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            roles |= name.ToLowerInvariant() switch
            {
                "relay" => WorkerRoles.Relay,
                "jobs" => WorkerRoles.Jobs,
                "dashboard" => WorkerRoles.Dashboard,
                _ => throw new OutboxConfigurationException($"{key} is '{text}', and '{name}' is no role. Use one or more of relay, jobs and dashboard, for example 'relay,jobs'."),
            };
        }
        return roles != 0 ? roles : throw new OutboxConfigurationException($"{key} is empty. Use one or more of relay, jobs and dashboard, for example 'relay,jobs'.");
    }

    private static List<string> UrlsOf(string key, string text)
    {
        var urls = text.Split([',', ';'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToList();
        foreach (var url in urls)
        {
            // A wildcard is no host that a URI can have.
            var valid = Uri.TryCreate(url.Replace("://*", "://any", StringComparison.Ordinal).Replace("://+", "://any", StringComparison.Ordinal), UriKind.Absolute, out var uri)
                && uri.Scheme is "http" or "https" && uri is { PathAndQuery: "/", UserInfo: "" };
            if (!valid)
                throw new OutboxConfigurationException($"{key} is '{text}', and '{url}' is no address to listen on. It looks like '{HostSettings.DefaultUrl}', or 'http://*:8080' for all addresses of the machine.");
        }
        return urls;
    }

    private static List<IPNetwork> ProxiesOf(IConfigurationSection section) =>
        [.. BrokerConfiguration.ListOf(section).Select(text => IPAddress.TryParse(text, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
            : IPNetwork.TryParse(text, out var network) ? network
            : throw new OutboxConfigurationException($"{section.Path} holds '{text}', which is no address. Use addresses and networks, for example '10.0.0.5, 10.1.0.0/16'."))];
}

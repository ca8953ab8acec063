using Broker.Dashboard;
using Broker.Dashboard.Security;
using Microsoft.Extensions.Configuration;
using Outbox;

namespace Broker.Hosting;

/// <summary>Reads how the worker is hosted: <c>Broker:Roles</c>, <c>Broker:Http</c> and <c>Broker:Dashboard</c>.</summary>
internal static class HostConfiguration
{
    /// <summary>Reads and checks it.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="roles">The roles of the command line, which win; null: those of the configuration.</param>
    /// <param name="urls">The addresses of the command line, which win.</param>
    public static HostSettings Read(IConfiguration configuration, string? roles, string? urls)
    {
        var broker = configuration.GetSection("Broker");
        BrokerConfiguration.RefuseUnknown(broker.GetSection("Http"), "Urls");
        BrokerConfiguration.RefuseUnknown(broker.GetSection("Dashboard"), "Users");
        var wanted = roles is not null ? RolesOf("--roles", roles) : broker["Roles"] is { } configured ? RolesOf("Broker:Roles", configured) : WorkerRoles.All;
        var (key, text) = urls is not null ? ("--urls", urls) : ("Broker:Http:Urls", broker["Http:Urls"]);
        return new HostSettings
        {
            Roles = wanted,
            Urls = text is not null ? UrlsOf(key, text) : wanted.HasFlag(WorkerRoles.Dashboard) ? [HostSettings.DefaultUrl] : [],
            Dashboard = new DashboardSettings { Users = UsersOf(broker.GetSection("Dashboard:Users")) },
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

    private static List<DashboardUser> UsersOf(IConfigurationSection section)
    {
        var users = new List<DashboardUser>();
        foreach (var user in section.GetChildren())
        {
            BrokerConfiguration.RefuseUnknown(user, "Name", "PasswordHash", "Role");
            var name = user["Name"] ?? user.Key;
            if (name.Length == 0 || name.Contains(':', StringComparison.Ordinal) || name.Any(char.IsControl))
                throw new OutboxConfigurationException($"{user.Path}: '{name}' cannot be a user's name. It must not be empty or hold a colon; use for example 'ada'.");
            if (users.Any(u => u.Name == name))
                throw new OutboxConfigurationException($"{user.Path}: two users are named '{name}'. Each user needs a name of their own.");
            if (user["PasswordHash"] is not { Length: > 0 } hash)
                throw new OutboxConfigurationException($"{user.Path}:PasswordHash is missing. Make it with 'broker dashboard hash-password'.");
            if (!PasswordHash.IsOne(hash))
                throw new OutboxConfigurationException($"{user.Path}:PasswordHash is no hash of a password. Make it with 'broker dashboard hash-password'.");
            var role = new[] { DashboardRoles.Operator, DashboardRoles.ReadOnly }.FirstOrDefault(r => r.Equals(user["Role"] ?? DashboardRoles.ReadOnly, StringComparison.OrdinalIgnoreCase))
                ?? throw new OutboxConfigurationException($"{user.Path}:Role is '{user["Role"]}'. Use {DashboardRoles.Operator} or {DashboardRoles.ReadOnly}.");
            users.Add(new DashboardUser(name, hash, role));
        }
        return users;
    }
}

using Broker.Dashboard;
using Broker.Dashboard.Security;
using Microsoft.Extensions.Configuration;
using Outbox;

namespace Broker.Hosting;

/// <summary>Reads <c>Broker:Dashboard</c>: who may see it, and what.</summary>
internal static class DashboardConfiguration
{
    public static DashboardSettings Read(IConfigurationSection section)
    {
        BrokerConfiguration.RefuseUnknown(section, "Users", "Oidc", "Mask", "KeyFolder");
        var (users, oidc) = (UsersOf(section.GetSection("Users")), OidcOf(section.GetSection("Oidc")));
        if (users.Count > 0 && oidc is not null)
            throw new OutboxConfigurationException($"{section.Path}:Users and {section.Path}:Oidc are both set. Use one of them: Users for passwords kept here, Oidc for a provider.");
        return new DashboardSettings
        {
            Users = users,
            Oidc = oidc,
            Mask = [.. BrokerConfiguration.ListOf(section.GetSection("Mask")).Select(path => MaskPath.Parse(path, $"{section.Path}:Mask"))],
            KeyFolder = KeyFolderOf(section),
        };
    }

    private static string? KeyFolderOf(IConfigurationSection section)
    {
        if (section["KeyFolder"] is not { Length: > 0 } folder)
            return null;
        return Directory.Exists(folder) ? folder : throw new OutboxConfigurationException($"{section.Path}:KeyFolder is '{folder}', which is no folder. Create it, and let nobody but the worker's user read it.");
    }

    private static OidcSettings? OidcOf(IConfigurationSection section)
    {
        if (!section.Exists())
            return null;
        BrokerConfiguration.RefuseUnknown(section, "Authority", "ClientId", "ClientSecret", "RoleClaim", "OperatorRole", "ReadOnlyRole");
        string Required(string key, string example) => section[key] is { Length: > 0 } value ? value : throw new OutboxConfigurationException($"{section.Path}:{key} is missing. It looks like '{example}'.");
        var authority = Required("Authority", "https://login.example.com/realms/shop");
        if (!Uri.TryCreate(authority, UriKind.Absolute, out var uri) || !(uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)))
            throw new OutboxConfigurationException($"{section.Path}:Authority is '{authority}'. Use an address that begins with https://, for example 'https://login.example.com/realms/shop'.");
        return new OidcSettings(
            authority, Required("ClientId", "broker"), Required("ClientSecret", "…"), section["RoleClaim"] ?? "roles", section["OperatorRole"] ?? "broker-operator", section["ReadOnlyRole"] ?? "broker-readonly");
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

using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Dashboard.Jobs;
using Microsoft.Extensions.Configuration;
using Outbox;
using Outbox.Sql;

namespace Broker.Hosting;

/// <summary>Reads <c>Broker:Jobs</c>.</summary>
internal static partial class JobsConfiguration
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMinutes(1);

    public static JobsSettings Read(IConfigurationSection section, bool runsHere)
    {
        BrokerConfiguration.RefuseUnknown(section, "Storage", "ConnectionString", "DiscardedRetention", "ActionsRetention", "InboxRetention", "StuckAfter", "Redrive");
        var defaults = new JobsSettings();
        return new JobsSettings
        {
            Storage = StorageOf(section),
            RunsHere = runsHere,
            DiscardedRetention = TimeOf(section, "DiscardedRetention", Shortest) ?? defaults.DiscardedRetention,
            ActionsRetention = TimeOf(section, "ActionsRetention", Shortest) ?? defaults.ActionsRetention,
            InboxRetention = TimeOf(section, "InboxRetention", Shortest),
            StuckAfter = TimeOf(section, "StuckAfter", TimeSpan.FromSeconds(1)) ?? defaults.StuckAfter,
            Redrive = [.. section.GetSection("Redrive").GetChildren().Select(RuleOf)],
        };
    }

    private static JobStorageSettings StorageOf(IConfigurationSection section)
    {
        var (kind, connectionString) = (section["Storage"], section["ConnectionString"] ?? "");
        if (kind is null && connectionString.Length == 0)
            return JobStorageSettings.Unset;
        if (!Enum.TryParse<JobStorageKind>(kind ?? nameof(JobStorageKind.SqlServer), ignoreCase: true, out var storage) || int.TryParse(kind, out _))
            throw new OutboxConfigurationException($"{section.Path}:Storage is '{kind}'. Use one of: {string.Join(", ", Enum.GetNames<JobStorageKind>())}.");
        if (storage == JobStorageKind.InMemory)
            return new JobStorageSettings(storage, "", IsChosen: true);
        var dialect = storage == JobStorageKind.SqlServer ? SqlDialect.SqlServer : SqlDialect.PostgreSql;
        if (connectionString.Length == 0)
            throw new OutboxConfigurationException($"{section.Path}:ConnectionString is missing. For {storage} it looks like '{DataSources.ExampleOf(dialect)}'.");
        DataSources.Check(section.Path, dialect, connectionString);
        return new JobStorageSettings(storage, connectionString, IsChosen: true);
    }

    private static RedriveSettings RuleOf(IConfigurationSection section)
    {
        BrokerConfiguration.RefuseUnknown(section, "Cron", "Source", "Type", "Consumer", "Reason", "OlderThan", "MostTimes");
        if (!RuleName().IsMatch(section.Key))
            throw new OutboxConfigurationException($"{section.Path}: '{section.Key}' cannot be a rule's name. Use lower-case words of letters, digits and hyphens, for example 'payments'.");
        if (section["Cron"] is not { Length: > 0 } cron || !CronText.IsOne(cron))
            throw new OutboxConfigurationException($"{section.Path}:Cron is '{section["Cron"]}'. Use a cron expression in UTC, for example '0 * * * *' for every hour.");
        if (!int.TryParse(section["MostTimes"] ?? "3", NumberStyles.None, CultureInfo.InvariantCulture, out var most) || most < 1)
            throw new OutboxConfigurationException($"{section.Path}:MostTimes is '{section["MostTimes"]}'. Use a whole number from 1 on, for example 3.");
        return new RedriveSettings(section.Key, cron, section["Source"], section["Type"], section["Consumer"], section["Reason"], TimeOf(section, "OlderThan", TimeSpan.Zero) ?? TimeSpan.Zero, most);
    }

    private static TimeSpan? TimeOf(IConfigurationSection section, string key, TimeSpan least) => section[key] is not { } text ? null
        : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && time >= least ? time
        : throw new OutboxConfigurationException($"{section.Path}:{key} is '{text}'. Use a time of at least {least}, such as 30.00:00:00 for thirty days.");

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex RuleName();
}

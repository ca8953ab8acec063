using System.Data.Common;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.Etcd;
using Outbox.TwoPhaseCommit;

namespace Broker;

/// <summary>Reads <c>Broker:Coordinators</c>, and makes of it what recovery, the dashboard and <c>broker in-doubt</c> work on.</summary>
internal static class Coordinators
{
    public static IReadOnlyList<CoordinatorSettings> Read(IConfigurationSection section, IReadOnlyList<SourceSettings> sources)
    {
        var coordinators = new List<CoordinatorSettings>();
        foreach (var child in section.GetChildren())
        {
            BrokerConfiguration.RefuseUnknown(child, "Participants", "LastResource", "DecideIn", "Etcd");
            TwoPhaseCommitServiceCollectionExtensions.CheckName(child.Key);
            var participants = BrokerConfiguration.ListOf(child.GetSection("Participants")).ToList();
            if (participants.Count == 0)
                throw new OutboxConfigurationException($"{child.Path}:Participants is missing. Name the sources that take part, for example \"ledger, warehouse\".");
            if (participants.FirstOrDefault(p => sources.All(s => s.Name != p)) is { } unknown)
                throw new OutboxConfigurationException($"{child.Path}:Participants names '{unknown}', which is none of the sources: {string.Join(", ", sources.Select(s => s.Name))}.");
            foreach (var key in (string[])["LastResource", "DecideIn"])
            {
                if (child[key] is { } name && !participants.Contains(name))
                    throw new OutboxConfigurationException($"{child.Path}:{key} is '{name}', which is none of its participants: {string.Join(", ", participants)}.");
            }
            coordinators.Add(new CoordinatorSettings(child.Key, participants, child["LastResource"], child["DecideIn"], child["Etcd"]));
        }
        return coordinators;
    }

    /// <summary>The coordinator over the sources' databases.</summary>
    public static Coordination Build(CoordinatorSettings settings, Func<string, DbDataSource> dataSourceOf, TimeProvider time, ILogger logger)
    {
        var builder = new TwoPhaseCommitBuilder(settings.Name);
        foreach (var participant in settings.Participants)
            _ = participant == settings.LastResource ? builder.AddLastResource(participant, dataSourceOf(participant)) : builder.AddParticipant(participant, dataSourceOf(participant));
        if (settings.DecideIn is { } decideIn)
            builder.DecideIn(decideIn);
        if (settings.Etcd is { } etcd)
            builder.DecideInEtcd(etcd);
        return builder.Build(NoServices.Instance, time, logger);
    }

    private sealed class NoServices : IServiceProvider
    {
        public static NoServices Instance { get; } = new();

        public object? GetService(Type serviceType) => null;
    }
}

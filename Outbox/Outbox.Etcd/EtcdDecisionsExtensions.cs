using Microsoft.Extensions.DependencyInjection;
using Outbox.TwoPhaseCommit;

namespace Outbox.Etcd;

/// <summary>Keeps the decisions of a coordinator in etcd.</summary>
public static class EtcdDecisionsExtensions
{
    /// <summary>Keeps the decisions in etcd: whoever writes first has decided, by a majority of its nodes, so no dead coordinator and no dead database of a coordinator holds up the others.</summary>
    /// <remarks>Not together with a last resource, whose own commit is the decision. Etcd has no clock to ask, so the deadline goes by the clocks of the machines: keep them within a second of each other. Safety does not hang on them.</remarks>
    /// <param name="builder">The coordinator.</param>
    /// <param name="endpoints">The nodes: <c>https://etcd-1:2379</c>. Name all of them, so that each may be away.</param>
    /// <exception cref="OutboxConfigurationException">An endpoint is wrong; the message says which.</exception>
    public static TwoPhaseCommitBuilder DecideInEtcd(this TwoPhaseCommitBuilder builder, params string[] endpoints)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var nodes = EtcdCluster.Read(endpoints).Select(e => e.ToString()).ToList();
        return builder.DecideIn((services, coordinator) =>
        {
            var time = services?.GetService<TimeProvider>() ?? TimeProvider.System;
            return new EtcdDecisionStore(new EtcdCluster(nodes, null, time), coordinator, time);
        });
    }
}

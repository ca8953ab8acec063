using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;

namespace Outbox.PartitionedWork;

/// <summary>Settings of partitioned work.</summary>
public sealed partial class PartitionedWorkerOptions
{
    /// <summary>The work's name: processes with the same one share its partitions.</summary>
    /// <value>Default: the worker's class name in kebab case, so <c>ReindexProducts</c> gives <c>reindex-products</c>.</value>
    [Required, StringLength(60, MinimumLength = 1)]
    public string Name { get; set; } = "";

    /// <summary>The outbox whose database keeps the leases.</summary>
    /// <value>Default: null, the service's only one.</value>
    public string? Source { get; set; }

    /// <summary>How long a partition stays with a process that does not renew it.</summary>
    /// <value>Default: 15 seconds; one second to one day.</value>
    /// <remarks>The longest time that a dead process's partitions lie idle, give or take a second. Shorter means more renewals, one statement for all of a process's partitions each third of it, at most every three seconds.</remarks>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(15);

    internal void Validate(int partitions)
    {
        if (!WellFormed().IsMatch(Name) || Name.Length > 60)
            throw new OutboxConfigurationException($"Partitioned work: Name is '{Name}', which is not 1 to 60 lower-case letters and digits with dots and hyphens between them. A good one is 'reindex-products'.");
        if (partitions is < 1 or > OutboxOptions.MaxPartitions)
            throw new OutboxConfigurationException($"Partitioned work '{Name}': {partitions} partitions are not between 1 and {OutboxOptions.MaxPartitions}. A good number is a few times that of the processes.");
        if (LeaseDuration < TimeSpan.FromSeconds(1) || LeaseDuration > TimeSpan.FromDays(1))
            throw new OutboxConfigurationException($"Partitioned work '{Name}': LeaseDuration is {LeaseDuration}, which is not between one second and one day. A good value is 00:00:15.");
    }

    [GeneratedRegex("^[a-z0-9]+([.-][a-z0-9]+)*$")]
    private static partial Regex WellFormed();
}

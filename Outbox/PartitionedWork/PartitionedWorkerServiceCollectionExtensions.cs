using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Outbox.PartitionedWork;

/// <summary>Adds partitioned work to a service.</summary>
public static partial class PartitionedWorkerServiceCollectionExtensions
{
    /// <summary>Spreads the partitions of a work evenly over the live processes of this service, by leases in its outbox's database.</summary>
    /// <typeparam name="TWorker">The work, made anew for each run of a partition.</typeparam>
    /// <param name="services">The service's container. It needs an outbox: <c>services.AddOutbox&lt;TContext&gt;(…)</c>.</param>
    /// <param name="partitions">How many there are: a few times as many as processes, so that shares come out even. Processes with another number do not share with these: stop all of them before you change it.</param>
    /// <param name="configure">Further settings.</param>
    /// <exception cref="OutboxConfigurationException">A setting is wrong, or another work has the name; the message says which.</exception>
    public static IServiceCollection AddPartitionedWorker<TWorker>(this IServiceCollection services, int partitions, Action<PartitionedWorkerOptions>? configure = null)
        where TWorker : class, IPartitionedWorker
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new PartitionedWorkerOptions { Name = WordStart().Replace(typeof(TWorker).Name.Split('`')[0], m => "-" + m.Value).TrimStart('-').ToLowerInvariant() };
        configure?.Invoke(options);
        options.Validate(partitions);
        // Two works of one name would share its partitions, and each of them would be done by one of the two only.
        var added = new Added(options.Name, options.Source, typeof(TWorker));
        if (services.Select(s => s.ImplementationInstance).OfType<Added>().FirstOrDefault(a => a.Name == added.Name && (a.Source is null || added.Source is null || a.Source == added.Source)) is { } other)
            throw new OutboxConfigurationException($"Partitioned work '{options.Name}' is added twice, for {other.Worker.Name} and {typeof(TWorker).Name}: they would take partitions from each other. Give one of them another Name.");
        services.AddSingleton(added);
        services.TryAddScoped<TWorker>();
        return services.AddSingleton<IHostedService>(provider => new PartitionedWorkerService<TWorker>(provider, partitions, options));
    }

    private sealed record Added(string Name, string? Source, Type Worker);

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])|([A-Z])(?=[a-z])")]
    private static partial Regex WordStart();
}

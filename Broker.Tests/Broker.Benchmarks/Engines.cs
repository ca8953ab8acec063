using System.CommandLine;
using Outbox.Sql;

namespace Broker.Benchmarks;

/// <summary>The engines that a command is told to work on.</summary>
internal static class Engines
{
    public static Option<string[]> Option(params SqlDialect[] defaults) => new("--database")
    {
        Description = $"Engines: {string.Join(", ", SqlDialect.All)}.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [.. defaults.Select(d => d.Name)],
    };
}

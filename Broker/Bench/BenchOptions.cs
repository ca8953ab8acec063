using System.CommandLine;
using System.CommandLine.Parsing;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>What all measurements share: the servers, and where the results go.</summary>
internal sealed class BenchOptions
{
    public Option<string?> RabbitMq { get; } = new("--rabbitmq") { Description = "AMQP URI. Default: BROKER_TEST_RABBITMQ, or in the repository the one of docker/servers.sh, started if need be.", HelpName = "uri" };

    public Option<string> Database { get; } = new("--database", "-d") { Description = $"Engine: {string.Join(", ", SqlDialect.All)}.", DefaultValueFactory = _ => SqlDialect.PostgreSql.Name, HelpName = "engine" };

    public Option<string?> ConnectionString { get; } = new("--connection-string")
    {
        Description = "A server where databases may be created; for Sqlite a folder. Default: BROKER_TEST_POSTGRES, …_MARIADB or …_SQLSERVER, or in the repository the one of docker/servers.sh.",
        HelpName = "text",
    };

    public Option<FileInfo?> Json { get; } = new("--json") { Description = "Write everything to a file: all runs, machine, versions, parameters.", HelpName = "file" };

    public Option<FileInfo?> Chart { get; } = new("--chart") { Description = "Draw the result into an SVG file.", HelpName = "file" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[RabbitMq, Database, ConnectionString, Json, Chart])
            command.Options.Add(option);
    }

    /// <summary>A whole number of at least so much.</summary>
    public static Option<int> Number(string name, string description, int value, int least = 1)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value, HelpName = "number" };
        option.Validators.Add(result => AtLeast(result, option, least));
        return option;
    }

    private static void AtLeast(OptionResult result, Option<int> option, int least)
    {
        if (result.Tokens.Count > 0 && result.GetValue(option) < least)
            result.AddError($"{option.Name} must be at least {least}.");
    }
}

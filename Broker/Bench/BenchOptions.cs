using System.CommandLine;
using System.Globalization;
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
        AtLeast(option, least);
        return option;
    }

    /// <summary>Refuses what is no number, or too small.</summary>
    public static void AtLeast(Option option, int least) => option.Validators.Add(result =>
    {
        // By its text: asking for the value of one that is no number throws.
        if (result.Tokens.FirstOrDefault(t => !int.TryParse(t.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number < least) is { } token)
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} '{token.Value}' is no whole number of at least {least}."));
    });
}

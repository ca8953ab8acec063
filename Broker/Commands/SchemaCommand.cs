using System.CommandLine;
using Outbox;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary><c>broker schema</c>: prints or creates the tables of a source.</summary>
internal static class SchemaCommand
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var source = new Option<string?>("--source", "-s") { Description = "The source, by its name in the configuration.", HelpName = "name" };
        var database = new Option<string?>("--database", "-d") { Description = $"An engine, to print its script without a configuration: {string.Join(", ", SqlDialect.All)}.", HelpName = "engine" };
        var create = new Option<bool>("--create") { Description = "Create the tables that are missing in the source's database. Safe to repeat, and to run by many at once." };
        var command = new Command("schema", "Print the script that creates the outbox's tables, or create them.") { config, source, database, create };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(() =>
            RunAsync(parsed.GetValue(config), parsed.GetValue(source), parsed.GetValue(database), parsed.GetValue(create), cancellationToken)));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo? file, string? name, string? engine, bool create, CancellationToken cancellationToken)
    {
        if (engine is not null && name is null && !create)
        {
            if (!SqlDialect.TryParse(engine, out var dialect))
                throw new OutboxConfigurationException($"--database '{engine}' is no known engine. Use one of: {string.Join(", ", SqlDialect.All)}.");
            Console.WriteLine(dialect.CreateTables);
            return ExitCodes.Ok;
        }
        var sources = BrokerConfiguration.Read(BrokerConfiguration.Load(file), needsRabbitMq: false).Sources;
        var source = sources.FirstOrDefault(s => s.Name == name)
            ?? throw new OutboxConfigurationException($"{(name is null ? "--source is missing" : $"Source '{name}' is not configured")}. Configured are: {string.Join(", ", sources.Select(s => s.Name))}.");
        if (!create)
        {
            Console.WriteLine(source.Dialect.CreateTables);
            return ExitCodes.Ok;
        }
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString, mayCreate: true);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CreateAsync(connection, $"Source '{source.Name}'", cancellationToken);
        Console.WriteLine($"The tables of source '{source.Name}' ({source.Dialect}) are in place.");
        return ExitCodes.Ok;
    }
}

using System.CommandLine;
using Outbox;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary><c>broker schema</c>: prints, creates, upgrades or checks the tables of a database.</summary>
internal static class SchemaCommand
{
    private const string ConnectionVariable = "BROKER_CONNECTION_STRING";

    private sealed record Target(string Name, SqlDialect Dialect, string? ConnectionString);

    public static Command Create()
    {
        var config = CommonOptions.Config();
        var source = new Option<string?>("--source", "-s") { Description = "A source, by its name in the configuration.", HelpName = "name" };
        var database = new Option<string?>("--database", "-d") { Description = $"An engine, without a configuration: {string.Join(", ", SqlDialect.All)}.", HelpName = "engine" };
        var connection = new Option<string?>("--connection-string") { Description = $"The database, with --database. Better in the environment, as {ConnectionVariable}: others can see a command line.", HelpName = "text" };
        var create = new Option<bool>("--create") { Description = "Create the tables that are missing, and upgrade those of an earlier version. Safe to repeat, to run by many at once, and beside running relays and services." };
        var script = new Option<bool>("--script") { Description = "Print the script that --create runs. The default." };
        var check = new Option<bool>("--check") { Description = "Compare the tables with what this version expects and list every difference. Changes nothing; the exit code is 1 if there is one." };
        var command = new Command("schema", "Print the script that creates or upgrades the outbox's tables, run it, or check the tables.") { config, source, database, connection, create, script, check };
        command.Validators.Add(result =>
        {
            if (new[] { create, script, check }.Count(result.GetValue) > 1)
                result.AddError("Use one of --create, --script and --check.");
            if ((result.GetValue(source) is null) == (result.GetValue(database) is null))
                result.AddError("Say which tables: --source with a name from the configuration, or --database with an engine.");
        });
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var target = parsed.GetValue(database) is { } engine
                ? OfEngine(engine, parsed.GetValue(connection) ?? Environment.GetEnvironmentVariable(ConnectionVariable))
                : OfSource(parsed.GetValue(config), parsed.GetValue(source)!);
            if (parsed.GetValue(create))
                return await CreateAsync(target, cancellationToken);
            if (parsed.GetValue(check))
                return await CheckAsync(target, cancellationToken);
            Console.WriteLine(target.Dialect.CreateTables);
            return ExitCodes.Ok;
        }));
        return command;
    }

    private static Target OfEngine(string engine, string? connectionString)
    {
        if (!SqlDialect.TryParse(engine, out var dialect))
            throw new OutboxConfigurationException($"--database '{engine}' is no known engine. Use one of: {string.Join(", ", SqlDialect.All)}.");
        if (connectionString is not null)
            DataSources.Check("--connection-string", dialect, connectionString);
        return new Target($"The {dialect} database", dialect, connectionString);
    }

    private static Target OfSource(FileInfo? file, string name)
    {
        var source = CommonOptions.SourceOf(BrokerConfiguration.Read(BrokerConfiguration.Load(file), needsRabbitMq: false), name);
        return new Target($"Source '{name}'", source.Dialect, source.ConnectionString);
    }

    private static async Task<int> CreateAsync(Target target, CancellationToken cancellationToken)
    {
        await using var dataSource = DataSources.Create(target.Dialect, ConnectionStringOf(target), mayCreate: true);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CreateAsync(connection, target.Name, cancellationToken);
        // A table that somebody has changed is not mended by creating what is missing.
        var differences = await OutboxSchema.CompareAsync(connection, cancellationToken);
        if (differences.Count > 0)
            return Report(target, differences, "were brought to this version as far as that is possible, but differ from what it expects");
        Console.WriteLine($"{target.Name} ({target.Dialect}): the tables are in place, schema version {SchemaVersion.Current}.");
        return ExitCodes.Ok;
    }

    private static async Task<int> CheckAsync(Target target, CancellationToken cancellationToken)
    {
        await using var dataSource = DataSources.Create(target.Dialect, ConnectionStringOf(target));
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var differences = await OutboxSchema.CompareAsync(connection, cancellationToken);
        if (differences.Count > 0)
            return Report(target, differences, "differ from what this version expects");
        Console.WriteLine($"{target.Name} ({target.Dialect}): the tables are as this version expects them, schema version {SchemaVersion.Current}.");
        return ExitCodes.Ok;
    }

    private static int Report(Target target, IReadOnlyList<string> differences, string what)
    {
        Console.Error.WriteLine($"broker: {target.Name} ({target.Dialect}): the tables {what}:");
        foreach (var difference in differences)
            Console.Error.WriteLine($"  {difference}");
        return ExitCodes.Failed;
    }

    private static string ConnectionStringOf(Target target) => target.ConnectionString
        ?? throw new OutboxConfigurationException($"Which {target.Dialect} database? Give --connection-string or the environment variable {ConnectionVariable}, for example '{DataSources.ExampleOf(target.Dialect)}', or a configured --source.");
}

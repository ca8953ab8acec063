using System.CommandLine;
using System.Data.Common;
using Outbox;
using Outbox.Sql;

namespace Broker.Commands;

/// <summary><c>broker schema</c>: prints, creates, upgrades or checks the tables of a database, sets the number of its partitions, and lets it notify relays.</summary>
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
        var partitions = new Option<int?>("--set-partitions") { Description = $"Change the number of the outbox's partitions, 1 to {OutboxOptions.MaxPartitions}: more of them spread it over more relays. Relays and services may run meanwhile; nothing is published for some ten seconds. Safe to stop and to repeat.", HelpName = "number" };
        var notify = new Option<string?>("--set-notify") { Description = "Let the database notify relays of each commit (on), or no longer (off). PostgreSQL alone; it costs writers much of their commit rate. Safe to repeat.", HelpName = "on|off" };
        notify.AcceptOnlyFromAmong("on", "off");
        var command = new Command("schema", "Print the script that creates or upgrades the outbox's tables, run it, check the tables, or set what is in the database.") { config, source, database, connection, create, script, check, partitions, notify };
        command.Validators.Add(result =>
        {
            if (new[] { create, script, check }.Count(result.GetValue) + new Option[] { partitions, notify }.Count(o => result.GetResult(o) is not null) > 1)
                result.AddError("Use one of --create, --script, --check, --set-partitions and --set-notify.");
            if (result.GetResult(partitions) is { } set && !set.Errors.Any() && set.Tokens.Count > 0 && result.GetValue(partitions) is not (>= 1 and <= OutboxOptions.MaxPartitions))
                result.AddError($"--set-partitions {set.Tokens[0].Value}: use a whole number from 1 to {OutboxOptions.MaxPartitions}.");
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
            if (parsed.GetValue(notify) is { } wanted)
                return await SetNotifyAsync(target, wanted == "on", cancellationToken);
            if (parsed.GetValue(partitions) is { } number)
            {
                await using var dataSource = DataSources.Create(target.Dialect, ConnectionStringOf(target));
                return await new PartitionChange(target.Name, target.Dialect, dataSource, TimeProvider.System).RunAsync(number, cancellationToken);
            }
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

    private static async Task<int> SetNotifyAsync(Target target, bool isOn, CancellationToken cancellationToken)
    {
        target.Dialect.CheckNotify("--set-notify");
        await using var dataSource = DataSources.Create(target.Dialect, ConnectionStringOf(target));
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await OutboxSchema.CheckAsync(connection, target.Name, "'broker schema --create' for it", refusesNewer: true, cancellationToken);
        try
        {
            await connection.Command((isOn ? target.Dialect.CreateNotify : target.Dialect.DropNotify)!).ExecuteAsync(cancellationToken);
        }
        catch (DbException exception) when (SqlErrors.IsTransient(exception))
        {
            Console.Error.WriteLine($"broker: {target.Name} ({target.Dialect}): nothing was changed, because open transactions use outbox_messages ({SqlErrors.TextOf(exception)}). Try again; no writer is kept waiting for longer than three seconds.");
            return ExitCodes.Failed;
        }
        Console.WriteLine($"{target.Name} ({target.Dialect}): inserts into the outbox {(isOn ? "notify relays that listen (Notify: true)" : "notify nobody")}.");
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

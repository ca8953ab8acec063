using System.CommandLine;
using System.Globalization;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary><c>shop run</c>.</summary>
internal static class RunCommand
{
    private static readonly Option<int?> Orders = AtLeast(1, new Option<int?>("--orders") { Description = "Orders to place. Default: 2,000, or 500 when embedded." });
    private static readonly Option<int> Clients = Positive("--clients", 8, "Clients that place them at the same time.");
    private static readonly Option<int> Customers = Positive("--customers", 50, "Customers that they are placed for.");
    private static readonly Option<string> Database = new Option<string>("--database") { Description = "The engine of each service's own database. MySQL is MariaDB too.", DefaultValueFactory = _ => "sqlite" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "sqlserver", "postgresql", "mysql", "mariadb", "sqlite");
    private static readonly Option<string?> ConnectionString = new("--connection-string") { Description = "The engine's server; three databases are created there, and dropped at the end. Default: BROKER_TEST_SQLSERVER, BROKER_TEST_POSTGRES or BROKER_TEST_MARIADB of the environment." };
    private static readonly Option<string> RabbitMq = new("--rabbitmq") { Description = "Where RabbitMQ is.", DefaultValueFactory = _ => "amqp://guest:guest@localhost:5672/" };
    private static readonly Option<bool> Embedded = new("--embedded") { Description = "Everything in one process, with relays inside and the in-memory transport; needs nothing installed." };
    private static readonly Option<int?> KillWorker = AtLeast(0, new Option<int?>("--kill-worker") { Description = "How often the worker is killed (SIGKILL) and started again. Default: 1, or 0 when embedded." });
    private static readonly Option<bool> RestartRabbitMq = new("--restart-rabbitmq") { Description = "Restart RabbitMQ in the middle of the run; needs --restart-command." };
    private static readonly Option<string?> RestartCommand = new("--restart-command") { Description = "The shell command that does it." };
    private static readonly Option<int> Timeout = Positive("--timeout", 180, "Seconds that convergence may take after the last order.");
    private static readonly Option<bool> Keep = new("--keep") { Description = "Leave the run's folder, databases and queues for a look at them." };

    public static Command Create()
    {
        var command = new Command("run", "Start the services and the worker, place orders, break things, and prove that the services agree in the end.")
        {
            Orders, Clients, Customers, Database, ConnectionString, RabbitMq, Embedded, KillWorker, RestartRabbitMq, RestartCommand, Timeout, Keep,
        };
        command.Validators.Add(result =>
        {
            var engine = EngineOf(result.GetValue(Database));
            if (DatabaseServer.Check(engine, result.GetValue(ConnectionString) ?? DatabaseServer.FromEnvironment(engine)) is { } wrong)
                result.AddError(wrong);
            if (result.GetValue(RestartRabbitMq) && result.GetValue(RestartCommand) is null && !result.GetValue(Embedded))
                result.AddError("--restart-rabbitmq needs --restart-command, for example 'docker/servers.sh restart rabbitmq'.");
            if (result.GetValue(RabbitMq) is { } uri && !result.GetValue(Embedded) && !(Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Scheme is "amqp" or "amqps"))
                result.AddError("--rabbitmq must look like amqp://user:password@host:5672/vhost.");
        });
        command.SetAction((parsed, cancellationToken) => ShopRun.RunAsync(Read(parsed), cancellationToken));
        return command;
    }

    private static RunOptions Read(ParseResult parsed)
    {
        var isEmbedded = parsed.GetValue(Embedded);
        var engine = EngineOf(parsed.GetRequiredValue(Database));
        return new RunOptions
        {
            Orders = parsed.GetValue(Orders) ?? (isEmbedded ? 500 : 2_000),
            Clients = parsed.GetValue(Clients),
            Customers = parsed.GetValue(Customers),
            Database = engine,
            ConnectionString = parsed.GetValue(ConnectionString) ?? DatabaseServer.FromEnvironment(engine),
            RabbitMq = parsed.GetRequiredValue(RabbitMq),
            IsEmbedded = isEmbedded,
            // Embedded there is neither a worker to kill nor a RabbitMQ to restart.
            WorkerKills = isEmbedded ? 0 : parsed.GetValue(KillWorker) ?? 1,
            RestartCommand = isEmbedded || !parsed.GetValue(RestartRabbitMq) ? null : parsed.GetValue(RestartCommand),
            Timeout = TimeSpan.FromSeconds(parsed.GetValue(Timeout)),
            Keep = parsed.GetValue(Keep),
        };
    }

    /// <summary>A name that is wrong is complained of by its option.</summary>
    private static DatabaseEngine EngineOf(string? name) => name?.ToLowerInvariant() switch
    {
        "sqlserver" => DatabaseEngine.SqlServer,
        "postgresql" => DatabaseEngine.PostgreSql,
        "mysql" or "mariadb" => DatabaseEngine.MySql,
        _ => DatabaseEngine.Sqlite,
    };

    private static Option<int> Positive(string name, int value, string description) =>
        AtLeast(1, new Option<int>(name) { Description = description, DefaultValueFactory = _ => value });

    private static Option<T> AtLeast<T>(int least, Option<T> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var given] && (!int.TryParse(given.Value, CultureInfo.InvariantCulture, out var number) || number < least))
                result.AddError($"{option.Name} is '{given.Value}'; use a whole number from {least}.");
        });
        return option;
    }
}

using System.CommandLine;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using MySqlConnector;
using Npgsql;
using Outbox;
using Transfer.Sagas;

namespace Transfer;

/// <summary>The two databases of the sample, with an account of 1,000 in each; made when they are not there.</summary>
internal sealed class Banks : IAsyncDisposable
{
    /// <summary>What both accounts hold together, whatever happens.</summary>
    public const long Total = 2_000;

    private Banks(string postgreSql, string mySql, string database)
    {
        Ledger = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(postgreSql) { Database = database });
        Wallet = new MySqlDataSource(new MySqlConnectionStringBuilder(mySql) { Database = database }.ConnectionString);
    }

    public static Option<string> Database { get; } = new("--database") { Description = "The name of the database on each of them.", DefaultValueFactory = _ => "transfer_sample" };

    public static Option<string> PostgreSql { get; } = Server("--postgresql", "BROKER_TEST_POSTGRES", "The PostgreSQL server, where databases may be created; with max_prepared_transactions above 0.");

    public static Option<string> MySql { get; } = Server("--mysql", "BROKER_TEST_MARIADB", "The MariaDB or MySQL server, where databases may be created.");

    public NpgsqlDataSource Ledger { get; }

    public MySqlDataSource Wallet { get; }

    public static async Task<Banks> OpenAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var (postgreSql, mySql, database) = (parsed.GetValue(PostgreSql)!, parsed.GetValue(MySql)!, parsed.GetValue(Database)!);
        if (database.Length == 0 || !database.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
            throw new OutboxConfigurationException($"--database '{database}' is no plain name. Use lower-case letters, digits and underscores.");
        await using (var server = NpgsqlDataSource.Create(postgreSql))
        {
            if (await ScalarAsync(server, $"SELECT count(*) FROM pg_database WHERE datname = '{database}'", cancellationToken) == 0)
                await ExecuteAsync(server, $"CREATE DATABASE {database}", cancellationToken);
        }
        await using (var server = new MySqlDataSource(mySql))
            await ExecuteAsync(server, $"CREATE DATABASE IF NOT EXISTS {database}", cancellationToken);
        var banks = new Banks(postgreSql, mySql, database);
        foreach (var (source, engine, schema) in new (DbDataSource, string, string)[] { (banks.Ledger, "PostgreSql", "current_schema()"), (banks.Wallet, "MySql", "database()") })
        {
            // Only once: what is left prepared holds locks on the tables, and the script would wait for them.
            if (await ScalarAsync(source, $"SELECT count(*) FROM information_schema.tables WHERE table_schema = {schema} AND table_name = 'accounts'", cancellationToken) > 0)
                continue;
            await ExecuteAsync(source, await ScriptAsync(engine, cancellationToken), cancellationToken);
            await ExecuteAsync(source, "CREATE TABLE accounts (id int NOT NULL PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))", cancellationToken);
            await ExecuteAsync(source, "INSERT INTO accounts (id, balance) VALUES (1, 1000)", cancellationToken);
        }
        await ExecuteAsync(banks.Ledger, TransferBook.Table, cancellationToken);
        return banks;
    }

    /// <summary>Gives a command the options of the databases, and its own.</summary>
    public static Command With(Command command, params Option[] own)
    {
        foreach (var option in new Option[] { PostgreSql, MySql, Database }.Concat(own))
            command.Options.Add(option);
        return command;
    }

    /// <summary>Whether a branch of the sample waits for a decision in either. MariaDB lists those of the whole server.</summary>
    public async Task<bool> HasPreparedAsync(CancellationToken cancellationToken)
    {
        if (await ScalarAsync(Ledger, "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()", cancellationToken) > 0)
            return true;
        await using var command = Wallet.CreateCommand("XA RECOVER");
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            // Bytes, where somebody's are no text.
            if ((row.GetValue(3) is byte[] bytes ? Encoding.Latin1.GetString(bytes) : row.GetString(3)).StartsWith("obx.transfers.", StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    /// <summary>An option for a server that the tests use too.</summary>
    public static Option<string> Server(string name, string variable, string description) => new(name)
    {
        Description = $"{description} Default: {variable}.",
        DefaultValueFactory = result =>
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value)
                return value;
            result.AddError($"Which server? Give {name}, or: eval \"$(docker/servers.sh env)\".");
            return "";
        },
    };

    /// <summary>Shows both accounts.</summary>
    /// <returns>What they hold together.</returns>
    public async Task<long> ShowAsync(string when, CancellationToken cancellationToken)
    {
        var (ledger, wallet) = (await ScalarAsync(Ledger, "SELECT balance FROM accounts WHERE id = 1", cancellationToken), await ScalarAsync(Wallet, "SELECT balance FROM accounts WHERE id = 1", cancellationToken));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{when}: ledger {ledger}, wallet {wallet}, together {ledger + wallet}"));
        return ledger + wallet;
    }

    public async ValueTask DisposeAsync()
    {
        await Ledger.DisposeAsync();
        await Wallet.DisposeAsync();
    }

    /// <summary>The outbox's tables, as 'broker schema --database …' writes them.</summary>
    private static async Task<string> ScriptAsync(string engine, CancellationToken cancellationToken)
    {
        var build = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var broker = Path.Combine(AppContext.BaseDirectory, "..", "..", "Broker", build, "Broker.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [broker, "schema", "--database", engine]) { RedirectStandardOutput = true })!;
        var script = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return script;
    }

    private static async Task ExecuteAsync(DbDataSource source, string sql, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<long> ScalarAsync(DbDataSource source, string sql, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(sql);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }
}

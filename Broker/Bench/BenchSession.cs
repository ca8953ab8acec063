using Microsoft.Data.SqlClient;
using MySqlConnector;
using Npgsql;
using Outbox.RabbitMQ;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Bench;

/// <summary>One measurement while it runs: its servers, what it made there, its processes, and how far it is. Everything goes when it ends, however it ends.</summary>
internal sealed class BenchSession : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _made = [];
    private readonly List<string> _scratch = [];
    private readonly Dictionary<string, string> _versions = new() { ["broker"] = typeof(BenchSession).Assembly.GetName().Version!.ToString(3), ["dotnet"] = Environment.Version.ToString() };
    private readonly BenchServers _servers;
    private readonly ProgressTask? _progress;
    private readonly ServerProcess? _rabbitMqProcess;
    private readonly ServerProcess? _databaseProcess;

    public BenchSession(BenchServers servers, SqlDialect dialect, string? folder, ProgressTask? progress, CancellationToken cancellationToken)
    {
        (_servers, Dialect, _progress, CancellationToken) = (servers, dialect, progress, cancellationToken);
        var uri = RabbitMqOptions.ParseUri(servers["rabbitmq"]);
        RabbitMq = servers["rabbitmq"];
        Server = BenchServers.NameOf(dialect) is { } name ? servers[name] : folder;
        _rabbitMqProcess = ServerProcess.Find(uri.Host, uri.Port > 0 ? uri.Port : 5_672);
        _databaseProcess = Server is null ? null : Find(dialect, Server);
    }

    public SqlDialect Dialect { get; }

    public string RabbitMq { get; }

    public string? Server { get; }

    public CancellationToken CancellationToken { get; }

    /// <summary>Names of everything that was made on the servers.</summary>
    public IReadOnlyList<string> Scratch => _scratch;

    public IReadOnlyDictionary<string, string> Versions => _versions;

    /// <summary>"PostgreSql 15.1, RabbitMQ 3.10.8"; complete once both were used.</summary>
    public string Systems => string.Join(", ", _versions.Where(v => v.Key is "database" or "rabbitmq").Select(v => v.Value).Order(StringComparer.Ordinal));

    /// <summary>Says how many steps there will be.</summary>
    public void Plan(int steps)
    {
        if (_progress is not null)
            _progress.MaxValue = steps;
    }

    /// <summary>Says what is done now.</summary>
    public void Begin(string step)
    {
        CancellationToken.ThrowIfCancellationRequested();
        if (_progress is null)
            Console.WriteLine(step);
        else
            _progress.Description = Markup.Escape(step);
    }

    /// <summary>Says that it is done.</summary>
    public void End() => _progress?.Increment(1);

    public async Task<BenchDatabase> CreateDatabaseAsync(string? name = null)
    {
        var database = Keep(await BenchDatabase.CreateAsync(Dialect, Server, CancellationToken, name), d => d.Name);
        _versions["database"] = database.Version;
        return database;
    }

    public async Task<BenchQueue> CreateQueueAsync()
    {
        var queue = Keep(await BenchQueue.CreateAsync(new Uri(RabbitMq), CancellationToken), q => q.Name);
        _versions["rabbitmq"] = queue.Version;
        return queue;
    }

    /// <summary>Starts a process; it ends with the session at the latest.</summary>
    public async Task<ChildProcess> StartAsync(ChildTask task)
    {
        var child = await ChildProcess.StartAsync(task, CancellationToken);
        _made.Push(child);
        return child;
    }

    /// <summary>Measures, with the servers' own use of the CPU.</summary>
    public async Task<BenchSample> MeasureAsync(string what, int pair, Func<Task<ChildResult>> run)
    {
        var (rabbitMq, database) = (_rabbitMqProcess?.CpuSeconds(), _databaseProcess?.CpuSeconds());
        var result = await run();
        return new BenchSample(what, pair, result) { RabbitMqCpuSeconds = _rabbitMqProcess?.CpuSeconds() - rabbitMq, DatabaseCpuSeconds = _databaseProcess?.CpuSeconds() - database };
    }

    /// <summary>Statements that the server has run so far in the scratch databases, or in all where it does not tell them apart; null if it does not tell.</summary>
    public async Task<double?> StatementsAsync(string prefix)
    {
        if (BenchSql.Of(Dialect).CountStatements is not { } sql)
            return null;
        await using var source = DataSources.Create(Dialect, Server!);
        await using var connection = await source.OpenConnectionAsync(CancellationToken);
        await using var command = connection.Command(sql);
        if (Dialect == SqlDialect.PostgreSql)
            command.With("prefix", prefix);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken);
        return await reader.ReadAsync(CancellationToken) ? Convert.ToDouble(reader.GetValue(reader.FieldCount - 1), System.Globalization.CultureInfo.InvariantCulture) : null;
    }

    public async ValueTask DisposeAsync()
    {
        var failures = new List<Exception>();
        while (_made.TryPop(out var made))
        {
            try
            {
                await made.DisposeAsync();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // The rest has to go all the same.
                failures.Add(exception);
            }
        }
        _servers.Dispose();
        if (failures.Count > 0)
            await Console.Error.WriteLineAsync($"broker: not everything could be removed ({string.Join("; ", failures.Select(f => f.Message))}). Look for: {string.Join(", ", _scratch)}.");
    }

    private T Keep<T>(T made, Func<T, string> name)
        where T : IAsyncDisposable
    {
        _made.Push(made);
        _scratch.Add(name(made));
        if (_progress is null)
            Console.WriteLine($"made {name(made)}");
        return made;
    }

    private static ServerProcess? Find(SqlDialect dialect, string server)
    {
        switch (dialect.Name)
        {
            case "PostgreSql":
                var postgreSql = new NpgsqlConnectionStringBuilder(server);
                return ServerProcess.Find(postgreSql.Host ?? "", postgreSql.Port);
            case "MySql":
                var mySql = new MySqlConnectionStringBuilder(server);
                return ServerProcess.Find(mySql.Server, (int)mySql.Port);
            case "SqlServer":
                var parts = new SqlConnectionStringBuilder(server).DataSource.Split(',');
                return ServerProcess.Find(parts[0], parts.Length > 1 && int.TryParse(parts[1], out var port) ? port : 1_433);
            default:
                return null;
        }
    }
}

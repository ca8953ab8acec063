using MySqlConnector;
using Npgsql;

namespace Broker.Tests.Support;

/// <summary>The sample of transfers on databases, queues and an exchange of its own, each run a process.</summary>
internal sealed class TransferSample : IAsyncDisposable
{
    private readonly string _name = TestServers.NewName("transfer").Replace('-', '_');
    private readonly string _postgreSql;
    private readonly string _mySql;
    private readonly string _rabbitMq;

    private TransferSample(string postgreSql, string mySql, string rabbitMq) => (_postgreSql, _mySql, _rabbitMq) = (postgreSql, mySql, rabbitMq);

    public static async Task<TransferSample> CreateAsync() => new(await TestServers.PostgreSqlAsync(), TestServers.MariaDb(), await TestServers.RabbitMqAsync());

    public (int Code, string Output) Saga(params string[] arguments) => Run(["saga", .. arguments, "--rabbitmq", _rabbitMq]);

    public (int Code, string Output) Check() => Run("check");

    /// <summary>The number that a query gives in the ledger.</summary>
    public async Task<long> LedgerAsync(string sql)
    {
        await using var ledger = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_postgreSql) { Database = _name });
        await using var command = ledger.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>The number that a query gives in the wallet.</summary>
    public async Task<long> WalletAsync(string sql)
    {
        await using var wallet = new MySqlDataSource(new MySqlConnectionStringBuilder(_mySql) { Database = _name }.ConnectionString);
        await using var command = wallet.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        await using (var server = NpgsqlDataSource.Create(_postgreSql))
        await using (var drop = server.CreateCommand($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)"))
            await drop.ExecuteNonQueryAsync();
        await using (var server = new MySqlDataSource(_mySql))
        await using (var drop = server.CreateCommand($"DROP DATABASE IF EXISTS {_name}"))
            await drop.ExecuteNonQueryAsync();
        await using var broker = await TestBroker.ConnectAsync(_rabbitMq);
        foreach (var queue in new[] { "saga", "ledger", "wallet" }.Select(consumer => $"{_name}.{consumer}"))
        {
            await broker.DeleteQueueAsync(queue);
            await broker.DeleteQueueAsync(queue + ".dead");
        }
        await broker.DeleteExchangeAsync(_name);
    }

    private (int Code, string Output) Run(params string[] arguments) => TestServers.Start("dotnet", [BuiltProgram.Path("Transfer"), .. arguments, "--postgresql", _postgreSql, "--mysql", _mySql, "--database", _name]);
}

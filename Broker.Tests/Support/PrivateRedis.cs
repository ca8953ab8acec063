using StackExchange.Redis;

namespace Broker.Tests.Support;

/// <summary>A Redis server that keeps nothing on disk.</summary>
internal sealed class PrivateRedis : IAsyncDisposable
{
    private readonly string _port = $"{TestPort.Next()}";
    private readonly string _folder = TestServers.Folder;
    private ServerProcess _server;

    private PrivateRedis() => _server = Start();

    public string Address => $"127.0.0.1:{_port}";

    public static async Task<PrivateRedis> StartAsync()
    {
        var server = new PrivateRedis();
        await server.AnswersAsync();
        return server;
    }

    /// <summary>Kills it and starts it again, with nothing in it.</summary>
    public async Task RestartEmptyAsync()
    {
        await _server.DisposeAsync();
        _server = Start();
        await AnswersAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ServerProcess Start() => ServerProcess.Start("redis-server", "--bind", "127.0.0.1", "--port", _port, "--dir", _folder, "--save", "", "--appendonly", "no");

    private Task AnswersAsync() => Eventually.IsTrueAsync(async () =>
    {
        try
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync($"{Address},connectTimeout=500");
            await connection.GetDatabase().PingAsync();
            return true;
        }
        catch (RedisException)
        {
            return false;
        }
    }, "Redis answers");
}

using Broker.Tests.Support;
using Outbox.Redis;
using StackExchange.Redis;

namespace Broker.Tests.Conformance;

/// <summary>Redis is told a script's text only when it does not know its hash.</summary>
internal sealed class RedisScriptTests
{
    [Test]
    public async Task A_server_that_does_not_know_a_script_is_told_it_and_knows_it_from_then_on()
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(TestServers.Redis());
        var database = connection.GetDatabase();
        // A text that no server has seen.
        var number = Guid.CreateVersion7().ToString("N");
        var text = $"return #'{number}' + tonumber(ARGV[1])";
        var script = new RedisScript(text);
        var hash = (string)(await database.ScriptEvaluateAsync("return redis.sha1hex(ARGV[1])", [], [text]))!;
        async Task<bool> IsKnownAsync() => (bool)(await database.ExecuteAsync("SCRIPT", "EXISTS", hash))[0];

        Assert.That(await IsKnownAsync(), Is.False);
        Assert.That(await script.RunAsync(database, [], [10]), Is.EqualTo(42));
        Assert.That(await IsKnownAsync(), Is.True);
        Assert.That(await script.RunAsync(database, [], [20]), Is.EqualTo(52));
    }

    [Test]
    public async Task An_error_of_a_script_is_its_own()
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(TestServers.Redis());

        Assert.That(() => new RedisScript("return redis.call('incr', ARGV[1], 'too', 'many')").RunAsync(connection.GetDatabase(), [], ["a"]), Throws.TypeOf<RedisServerException>());
    }
}

using Broker.Tests.Support;
using Newtonsoft.Json.Linq;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <content>What an operator types about locks.</content>
internal sealed partial class CommandLineTests
{
    [Test]
    public async Task Locks_are_shown_and_taken_away_and_who_did_it_is_written_down([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var place = new DatabaseLockPlace(await TestDatabase.CreateAsync(engine));
        var folder = Configure(("orders", place.Guarded));
        Assert.That(await RunAsync(folder, "locks", "list", "--source", "orders"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("no lock is held"));
        var locks = place.Connect("host-7/123", TimeSpan.FromMinutes(5));
        await using var held = await locks.AcquireAsync("nightly-settlement");
        await place.Guarded.ExecuteAsync($"INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', 'node-1', 1, {place.Guarded.Time(TimeSpan.FromMinutes(1))})");

        Assert.That(await RunAsync(folder, "locks", "list", "--source", "orders"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("nightly-settlement").And.Contain("host-7/123").And.Not.Contain("relay/0"));
        Assert.That(await RunAsync(folder, "locks", "list", "--source", "orders", "--all"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("lock/nightly-settlement").And.Contain("relay/0"));
        Assert.That(await RunAsync(folder, "locks", "list", "--source", "orders", "--json"), Is.EqualTo(ExitCodes.Ok));
        var shown = JObject.Parse(_output)["locks"]!.Single();
        Assert.That(shown.ToObject<Dictionary<string, object>>()!.Keys, Is.EqualTo(MarkdownFields("docs/cli.md", "Field of a lock")), "the documented shape");
        Assert.That(((string?)shown["name"], (string?)shown["owner"], (long)shown["token"]!, (int)shown["waiters"]!), Is.EqualTo(("nightly-settlement", "host-7/123", held.Token, 0)));
        Assert.That((double)shown["expiresInSeconds"]!, Is.InRange(200, 300));

        Assert.That(await RunAsync(folder, "locks", "steal", "nightly-settlement", "--source", "orders", "--reason", "its host is gone"), Is.EqualTo(ExitCodes.Ok));

        Assert.That(await RunAsync(folder, "locks", "steal", "nightly-settlement", "--source", "orders", "--reason", "again"), Is.EqualTo(ExitCodes.Failed));
        Assert.That(_output, Does.Contain("nobody holds a lock 'nightly-settlement'"));
        Assert.That((await place.Guarded.QueryAsync("SELECT side, consumer, action, reason FROM dead_letter_actions")).Single(), Is.EqualTo(new[] { "lock", "nightly-settlement", "stolen", "its host is gone" }));
        Assert.That(await RunAsync(folder, "dead-letters", "history", "--source", "orders"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("nothing was done with dead letters"));
        await using var connection = await place.Guarded.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        Assert.That(async () => await held.GuardAsync(transaction), Throws.InstanceOf<LockLostException>());
    }

    [TestCase("Redis")]
    [TestCase("Etcd")]
    public async Task Locks_that_are_kept_elsewhere_are_shown_and_taken_away_too(string kind)
    {
        await using var place = kind == "Redis" ? await RedisLockPlace.CreateAsync() : await EtcdLockPlace.CreateAsync();
        var folder = Configure(("orders", place.Guarded));
        string[] at = [$"--{kind.ToLowerInvariant()}", place.Address.Server, "--key-prefix", place.Address.Prefix, "--source", "orders"];
        await using var held = await place.Connect("host-7/123", TimeSpan.FromMinutes(5)).AcquireAsync("nightly-settlement");

        Assert.That(await RunAsync(folder, ["locks", "list", .. at]), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("nightly-settlement").And.Contain("host-7/123"));
        Assert.That(await RunAsync(folder, ["locks", "steal", "nightly-settlement", .. at, "--reason", "its host is gone"]), Is.EqualTo(ExitCodes.Ok));

        Assert.That(await RunAsync(folder, ["locks", "list", .. at]), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("no lock is held"));
        Assert.That(await place.Guarded.CountAsync("dead_letter_actions WHERE action = 'stolen'"), Is.EqualTo(1));
    }
}

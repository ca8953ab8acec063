using System.Globalization;
using Outbox.Diagnostics;
using Outbox.Locks;
using StackExchange.Redis;

namespace Outbox.Redis;

/// <summary>Leases as keys of Redis that expire: each change is one script, each token the server's clock in microseconds or one more than the last.</summary>
/// <remarks>
/// A key that is gone, by time, by hand or with the server's data, is never made again by its holder. Whoever takes the lock next has a higher token, also after the data was lost, unless the server's clock was set back as well;
/// then the fences refuse new holders until it has caught up.
/// </remarks>
internal sealed class RedisLockStore(IConnectionMultiplexer connection, string prefix, TimeProvider time) : ILockStore
{
    /// <summary>Long after the clock alone would do.</summary>
    private const long TokenKept = 7L * 24 * 60 * 60 * 1_000;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    // Beside the token: two servers' tokens could be alike after a failover.
    private readonly string _instance = Guid.CreateVersion7().ToString("N")[^12..];

    private IDatabase Database => connection.GetDatabase();

    public string Provider => "Redis";

    public string FenceOf(string name) => "redis/" + name;

    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        var token = await RedisScripts.Acquire.RunAsync(Database, [Key(name), $"{prefix}:{{{name}}}:token"], [_instance, owner, (long)duration.TotalMilliseconds, TokenKept]).ConfigureAwait(false);
        return token == 0 ? null : new Lease(this, name, token, duration, asked, time);
    }

    public async Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken) =>
        await RedisScripts.Renew.RunAsync(Database, [Key(name)], [Mine(token), (long)duration.TotalMilliseconds]).WaitAsync(cancellationToken).ConfigureAwait(false) == 1;

    public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken) =>
        RedisScripts.Release.RunAsync(Database, [Key(name)], [Mine(token), Channel(name)]).WaitAsync(cancellationToken);

    public bool IsOutage(Exception exception) => exception is RedisException or TimeoutException or ObjectDisposedException;

    public async Task<IAsyncDisposable> ListenAsync(string name, string owner, Action released, CancellationToken cancellationToken)
    {
        var subscriber = connection.GetSubscriber();
        void Heard(RedisChannel channel, RedisValue message) => released();
        var channel = RedisChannel.Literal(Channel(name));
        await subscriber.SubscribeAsync(channel, Heard).WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Subscription(subscriber, channel, Heard);
    }

    // For keys that expire, and for what a server that was away did not tell.
    public TimeSpan PauseAfter(int attempt) => Backoff.Delay(1, Pause, Pause);

    public async Task<IReadOnlyList<LockStanding>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new List<LockStanding>();
        var (before, after) = ($"{prefix}:{{", "}:lock");
        foreach (var server in connection.GetServers().Where(s => s is { IsConnected: true, IsReplica: false }))
        {
            await foreach (var key in server.KeysAsync(Database.Database, $"{before}*{after}").WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                var text = (string)key!;
                if (await StandingAsync(text[before.Length..^after.Length]).ConfigureAwait(false) is { } standing)
                    found.Add(standing);
            }
        }
        return [.. found.OrderBy(l => l.Name, StringComparer.Ordinal)];
    }

    public async Task<bool> StealAsync(string name, string thief, CancellationToken cancellationToken) =>
        await RedisScripts.Steal.RunAsync(Database, [Key(name)], [Channel(name)]).WaitAsync(cancellationToken).ConfigureAwait(false) == 1;

    private async Task<LockStanding?> StandingAsync(string name)
    {
        var value = (string?)await Database.StringGetAsync(Key(name)).ConfigureAwait(false);
        // Token, instance, owner.
        if (value?.Split(' ', 3) is not [var token, _, var owner] || !long.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return null;
        var left = await Database.KeyTimeToLiveAsync(Key(name)).ConfigureAwait(false);
        // One subscription for each process.
        var waiters = await Task.WhenAll(connection.GetServers().Where(s => s is { IsConnected: true, IsReplica: false }).Select(s => s.SubscriptionSubscriberCountAsync(RedisChannel.Literal(Channel(name))))).ConfigureAwait(false);
        return new LockStanding(name, owner, number, DateTimeOffset.FromUnixTimeMilliseconds(number / 1_000).UtcDateTime, left ?? TimeSpan.Zero, (int)waiters.Sum());
    }

    private RedisKey Key(string name) => $"{prefix}:{{{name}}}:lock";

    private string Channel(string name) => $"{prefix}:{{{name}}}:released";

    private string Mine(long token) => string.Create(CultureInfo.InvariantCulture, $"{token} {_instance} ");

    private sealed class Subscription(ISubscriber subscriber, RedisChannel channel, Action<RedisChannel, RedisValue> heard) : IAsyncDisposable
    {
        // Not waited for: it may be away.
        public async ValueTask DisposeAsync() => await subscriber.UnsubscribeAsync(channel, heard, CommandFlags.FireAndForget).ConfigureAwait(false);
    }
}

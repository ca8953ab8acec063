using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Dashboard.Security;

/// <summary>Checks names and passwords of the configured users. Thread-safe.</summary>
/// <remarks>
/// A browser sends the password with each request, and a hash that is slow to try is slow to check. So what fitted once is remembered, as a keyed digest that means nothing outside this process.
/// A name that nobody has costs as much as one that somebody has, and hashes are computed one at a time: who tries many takes one core at most from the relays.
/// </remarks>
internal sealed class LogIns(DashboardSettings settings, LogInThrottle throttle) : IDisposable
{
    private readonly string _nobodys = PasswordHash.Of(Convert.ToHexString(RandomNumberGenerator.GetBytes(16)));
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentDictionary<string, byte[]> _fitted = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>The user, if the password is theirs; or for how long this address has to wait before it may try again.</summary>
    public async Task<(DashboardUser? User, TimeSpan Wait)> TryAsync(string name, string password, string address, CancellationToken cancellationToken)
    {
        var user = settings.Users.FirstOrDefault(u => u.Name == name);
        // Before what is remembered: else guesses at somebody who has logged in would be told from each other, unhindered.
        if (throttle.HasFailedTooOften(name, address, out var pause))
            return (null, pause);
        var digest = HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes($"{name}\0{password}"));
        if (user is not null && _fitted.TryGetValue(name, out var fitted) && CryptographicOperations.FixedTimeEquals(fitted, digest))
            return (user, TimeSpan.Zero);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Inside, so that tries beside each other are counted one after the other.
            if (throttle.Refuses(name, address, out var wait))
                return (null, wait);
            // Elsewhere than in the loop of the request: it takes a tenth of a second.
            var fits = await Task.Run(() => PasswordHash.Fits(user?.PasswordHash ?? _nobodys, password), cancellationToken).ConfigureAwait(false) && user is not null;
            if (!fits)
            {
                throttle.Failed(name, address);
                return (null, TimeSpan.Zero);
            }
            throttle.Succeeded(name, address);
            _fitted[name] = digest;
            return (user, TimeSpan.Zero);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();
}

using System.Collections.Concurrent;

namespace Broker.Dashboard.Security;

/// <summary>Counts failed log-ins by user and address, and by address. Who has failed too often waits, whether the next password is right or not. Thread-safe.</summary>
/// <param name="time">The clock.</param>
internal sealed class LogInThrottle(TimeProvider time)
{
    /// <summary>Failures of one user from one address before they wait.</summary>
    public const int Most = 5;

    /// <summary>Failures from one address, whatever the user, before it waits.</summary>
    public const int MostOfAddress = 50;

    /// <summary>What is remembered at most; beyond it nobody new is let in until something is old.</summary>
    private const int Remembered = 10_000;

    /// <summary>How long failures count, and so how long somebody waits.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<(string User, string Address), Failures> _failures = new();

    private sealed record Failures(int Count, DateTimeOffset Since);

    /// <summary>Whether this user from this address, or this address, has failed too often lately, and for how long they wait.</summary>
    public bool HasFailedTooOften(string user, string address, out TimeSpan wait)
    {
        wait = new[] { Wait((user, address), Most), Wait(("", address), MostOfAddress) }.Max();
        return wait > TimeSpan.Zero;
    }

    /// <summary>Whether a log-in is not even looked at, and for how long.</summary>
    public bool Refuses(string user, string address, out TimeSpan wait)
    {
        _ = HasFailedTooOften(user, address, out wait);
        if (wait <= TimeSpan.Zero && _failures.Count >= Remembered)
        {
            Forget();
            wait = _failures.Count >= Remembered ? Window : TimeSpan.Zero;
        }
        return wait > TimeSpan.Zero;
    }

    /// <summary>Counts a failure.</summary>
    public void Failed(string user, string address)
    {
        foreach (var key in new[] { (user, address), ("", address) })
            _failures.AddOrUpdate(key, _ => new Failures(1, time.GetUtcNow()), (_, before) => IsOld(before) ? new Failures(1, time.GetUtcNow()) : before with { Count = before.Count + 1 });
    }

    /// <summary>Forgets the failures of a user who has come in. Those of the address stay: its others may be somebody else's tries.</summary>
    public void Succeeded(string user, string address) => _failures.TryRemove((user, address), out _);

    private TimeSpan Wait((string, string) key, int most) =>
        _failures.TryGetValue(key, out var failures) && failures.Count >= most ? failures.Since + Window - time.GetUtcNow() : TimeSpan.Zero;

    private bool IsOld(Failures failures) => time.GetUtcNow() - failures.Since >= Window;

    private void Forget()
    {
        foreach (var failures in _failures.Where(f => IsOld(f.Value)))
            _failures.TryRemove(failures);
    }
}

namespace Outbox.Diagnostics;

/// <summary>Growing waits with jitter, so that many who failed together do not come back together.</summary>
internal static class Backoff
{
    /// <summary>The wait after the given number of failures in a row: <paramref name="first"/>, doubled each time up to <paramref name="longest"/>, give or take a fifth.</summary>
    public static TimeSpan Delay(int failures, TimeSpan first, TimeSpan longest)
    {
        var doubled = first.TotalMilliseconds * Math.Pow(2, Math.Clamp(failures - 1, 0, 30));
        var jitter = 0.8 + (Random.Shared.NextDouble() * 0.4);
        return TimeSpan.FromMilliseconds(Math.Min(doubled, longest.TotalMilliseconds) * jitter);
    }
}

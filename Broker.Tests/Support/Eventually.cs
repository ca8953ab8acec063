using System.Diagnostics;

namespace Broker.Tests.Support;

/// <summary>Waits for what another process or a server will show, with a deadline. Inside the process, wait for a signal instead.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until <paramref name="condition"/> holds.</summary>
    /// <param name="condition">What to ask.</param>
    /// <param name="promise">What should have come true, for the failure.</param>
    /// <param name="within">Default: 60 seconds, which only a hang reaches.</param>
    public static Task IsTrueAsync(Func<Task<bool>> condition, string promise, TimeSpan? within = null) => EqualsAsync(condition, true, promise, within);

    /// <summary>Waits until <paramref name="actual"/> gives the expected value.</summary>
    public static async Task EqualsAsync<T>(Func<Task<T>> actual, T expected, string promise, TimeSpan? within = null)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var value = await actual();
            if (EqualityComparer<T>.Default.Equals(value, expected))
                return;
            if (watch.Elapsed > (within ?? Deadline))
                Assert.Fail($"{promise}: expected {expected} within {within ?? Deadline}, but it is {value}.");
            await Task.Delay(Interval);
        }
    }
}

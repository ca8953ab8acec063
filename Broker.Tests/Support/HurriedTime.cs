namespace Broker.Tests.Support;

/// <summary>A clock that runs a number of times faster than the real one: waits for backoff cost little, and their order stays.</summary>
internal sealed class HurriedTime(int speed) : TimeProvider
{
    public override long GetTimestamp() => System.GetTimestamp() * speed;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => System.CreateTimer(callback, state, Slow(dueTime), Slow(period));

    private TimeSpan Slow(TimeSpan time) => time <= TimeSpan.Zero ? time : time / speed;
}

using Broker.Tests.Support;
using Outbox.Locks;

namespace Broker.Tests.Unit;

/// <summary>What a holder may do when it hears that its lease is lost. By the system's clock: only its timers wait for their own callbacks.</summary>
internal sealed class LeaseTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    /// <summary>A place of leases that answers a renewal with no, or not at all.</summary>
    private sealed class Store(bool answers) : ILeaseStore
    {
        public async Task<bool> RenewAsync(string name, long token, TimeSpan duration, CancellationToken cancellationToken)
        {
            if (!answers)
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return false;
        }

        public Task ReleaseAsync(string name, long token, CancellationToken cancellationToken) => Task.CompletedTask;

        public bool IsOutage(Exception exception) => false;
    }

    [Test]
    public async Task A_holder_that_hears_of_the_loss_may_wait_for_the_end_of_its_own_lease([Values] bool answers)
    {
        var lease = new Lease(new Store(answers), "a", 1, Short, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        var ended = false;
        lease.LostToken.Register(() =>
        {
            lease.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Volatile.Write(ref ended, true);
        });

        await Eventually.IsTrueAsync(() => Task.FromResult(Volatile.Read(ref ended)), "the lease ends");
    }

    [Test]
    public async Task A_lease_that_is_lost_can_be_given_up_while_its_holder_is_still_hearing_of_it([Values] bool answers)
    {
        var lease = new Lease(new Store(answers), "a", 1, Short, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        using var heard = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        lease.LostToken.Register(() =>
        {
            heard.Set();
            goOn.Wait();
        });
        await Task.Run(heard.Wait);

        var ending = lease.DisposeAsync().AsTask();
        var first = await Task.WhenAny(ending, Task.Delay(TimeSpan.FromSeconds(60)));
        goOn.Set();

        Assert.That(first, Is.SameAs(ending), "nobody waits for what a holder does");
        await ending;
    }

    [Test]
    public async Task What_a_holder_throws_when_it_hears_of_the_loss_keeps_no_other_from_hearing_of_it([Values] bool answers)
    {
        await using var lease = new Lease(new Store(answers), "a", 1, Short, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lease.LostToken.Register(heard.SetResult);
        // Called before the other.
        lease.LostToken.Register(() => throw new InvalidOperationException("The holder fails."));

        await heard.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }
}

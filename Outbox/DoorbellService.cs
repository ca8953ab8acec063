using Microsoft.Extensions.Hosting;
using Outbox.Transport;

namespace Outbox;

/// <summary>While the service runs, rings for commits of one outbox, so that relays in other processes look at once.</summary>
/// <remarks>It comes after the commit and takes no part in it: a ring that is lost costs the time until the relay looks by itself.</remarks>
internal sealed class DoorbellService(OutboxRegistration registration, ITransport? transport, TimeProvider time) : IHostedService, IDisposable
{
    /// <summary>One ring tells of all commits before it, so a busy service need not ring more often.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private Throttle? _throttle;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (transport is not null && registration.Options.Doorbell)
        {
            var doorbell = transport.Doorbell;
            _throttle = new Throttle(Interval, time, () => doorbell.Ring(registration.Source));
            registration.Signal.RingWith(_throttle.Call);
        }
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        registration.Signal.RingWith(null);
        return Task.CompletedTask;
    }

    public void Dispose() => _throttle?.Dispose();
}

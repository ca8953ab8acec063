using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.Conformance;

/// <summary>Leases that get between a relay's beat and its drainers.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class SharingTests
{
    [Test]
    public async Task A_lease_that_a_relay_holds_by_name_but_does_not_use_is_drained_again_at_once([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await using var left = await new DatabaseLeases(database.DataSource, engine, TimeProvider.System).TryAcquireAsync("relay/0", "me", TimeSpan.FromMinutes(10), CancellationToken.None, renews: false);
        await left!.AbandonAsync();
        var id = await database.InsertAsync();
        await using var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        using var stop = new CancellationTokenSource();
        var source = new RelaySource { Name = "tests", Dialect = engine, DataSource = database.DataSource, Transport = transport };

        var relay = new SourceRelay(source, "me", TimeProvider.System, NullLogger.Instance, StepSignals.None).RunAsync(stop.Token);

        await collector.ReachAsync(1);
        await stop.CancelAsync();
        await relay;
        Assert.That(collector.Arrived.Single().Id, Is.EqualTo(id));
        Assert.That(await database.ScalarAsync<long>("SELECT token FROM leases"), Is.GreaterThan(left.Token), "a drainer of before could still settle");
    }

    [Test]
    public async Task A_relay_that_ends_tells_the_others_and_they_need_not_find_it_out([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await using var transport = new InMemoryTransport();
        using var stopFirst = new CancellationTokenSource();
        using var stopSecond = new CancellationTokenSource();
        RelaySource Source() => new() { Name = "tests", Dialect = engine, DataSource = database.DataSource, Transport = transport };
        using var firstLog = new TestLog();
        using var secondLog = new TestLog();
        var first = new SourceRelay(Source(), "first", TimeProvider.System, firstLog.CreateLogger("first"), StepSignals.None).RunAsync(stopFirst.Token);
        await firstLog.FirstAsync("draining partition 0");
        // Time stands still for it, so it does not look by itself.
        var second = new SourceRelay(Source(), "second", new FakeTimeProvider(), secondLog.CreateLogger("second"), StepSignals.None).RunAsync(stopSecond.Token);
        await secondLog.FirstAsync("standing by");

        await stopFirst.CancelAsync();
        await first;

        await secondLog.FirstAsync("draining partition 0");
        await stopSecond.CancelAsync();
        await second;
    }

    [Test]
    public async Task While_all_is_quiet_a_relay_mostly_only_looks_and_still_keeps_its_lease_and_sees_what_comes([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine);
        await using var transport = new InMemoryTransport();
        await using var collector = await Collector.StartAsync(transport);
        using var stop = new CancellationTokenSource();
        using var log = new TestLog();
        var source = new RelaySource { Name = "tests", Dialect = engine, DataSource = database.DataSource, Transport = transport };
        (source.Options.LeaseDuration, source.Options.IdlePoll) = (TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(200));
        var relay = new SourceRelay(source, "me", TimeProvider.System, log.CreateLogger("relay"), StepSignals.None).RunAsync(stop.Token);
        await log.FirstAsync("draining partition 0");

        // Attentive for three seconds, and then watched for longer than a lease lasts.
        await Task.Delay(TimeSpan.FromSeconds(3.5));
        var written = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            written.Add((await database.QueryAsync("SELECT expires_at FROM relays"))[0][0]!);
            await Task.Delay(100);
        }
        var id = await database.InsertAsync();

        await collector.ReachAsync(1);
        await stop.CancelAsync();
        await relay;
        Assert.That(collector.Arrived.Single().Id, Is.EqualTo(id));
        // It looks four times a second, and has to write every 1.8 seconds.
        Assert.That(written, Has.Count.InRange(2, 8));
        Assert.That(await database.ScalarAsync<long>("SELECT token FROM leases"), Is.EqualTo(1), "the lease was lost and taken again");
    }
}

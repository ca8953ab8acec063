using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox;
using Outbox.Consumers;

namespace Broker.Tests.EndToEnd;

/// <summary>G4: wherever a consumer dies between receiving a message and accepting it, the next one applies it exactly once.</summary>
[TestFixture(Stack.Embedded)]
[TestFixture(Stack.Servers)]
internal sealed class ConsumerCrashTests(Stack stack)
{
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare() => _bench = await ConsumerBench.CreateAsync(stack);

    [TearDown]
    public ValueTask Close() => _bench?.DisposeAsync() ?? ValueTask.CompletedTask;

    [TestCase("received", 0, 1)]
    [TestCase("inbox inserted", 0, 1)]
    [TestCase("handled", 0, 2)]
    [TestCase("saved", 0, 2)]
    [TestCase("committed", 1, 1)]
    public async Task A_consumer_that_dies_after_a_step_leaves_a_message_that_takes_effect_once(string step, int effectsOfTheDead, int calls)
    {
        _bench.Script.Then = (number, _, orders) =>
        {
            orders!.Outbox().Add(new OrderCancelled(number));
            return Task.CompletedTask;
        };
        await DieAtAsync(step);
        Assert.That((await _bench.EffectsAsync()).Length, Is.EqualTo(effectsOfTheDead));
        Assert.That(await _bench.Database.CountAsync("inbox_messages"), Is.EqualTo(effectsOfTheDead), "inbox and effect are one");
        Assert.That(await _bench.Database.CountAsync("outbox_messages"), Is.EqualTo(effectsOfTheDead), "event and effect are one");

        _bench.Steps = new TestSteps();
        await using var next = await _bench.StartAsync();
        await _bench.PublishAsync("last");

        await _bench.EffectsBecomeAsync("1", "last");
        Assert.That(_bench.Script.CallsOf("1"), Is.EqualTo(calls));
        Assert.That(await _bench.Database.CountAsync("outbox_messages"), Is.EqualTo(2));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(next);
    }

    /// <summary>Starts a consumer, gives it a message, and ends it at the step, without accepting anything.</summary>
    private async Task DieAtAsync(string step)
    {
        var died = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        ConsumerService? service = null;
        _bench.Steps.On(step, () =>
        {
            // Cancels the consumer's token before it returns; from here on nothing is accepted.
            died.TrySetResult(service!.StopAsync(CancellationToken.None));
            throw new OperationCanceledException();
        });
        await using var host = await _bench.StartAsync();
        service = host.Services.GetServices<IHostedService>().OfType<ConsumerService>().Single();
        await _bench.PublishAsync("1");
        await (await died.Task.WaitAsync(TimeSpan.FromSeconds(60)));
    }
}

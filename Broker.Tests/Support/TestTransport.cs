using System.Text;
using Outbox.RabbitMQ;
using Outbox.Transport;

namespace Broker.Tests.Support;

/// <summary>A transport to test against, and the operator's view of its queues.</summary>
internal abstract class TestTransport
{
    public static TestTransport InMemory { get; } = new InMemoryTestTransport();

    public static TestTransport RabbitMq { get; } = new RabbitMqTestTransport();

    public abstract Task<ITransport> CreateAsync();

    /// <summary>Takes one ready message out of a queue; null when there is none.</summary>
    public abstract Task<string?> TakeAsync(ITransport transport, string queue);

    /// <summary>A RabbitMQ transport with settings of its own.</summary>
    public static RabbitMqTransport CreateRabbitMq(string uri, Action<RabbitMqOptions>? configure = null)
    {
        var options = new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(uri), ClientName = TestContext.CurrentContext.Test.Name, PartitionSlots = true };
        configure?.Invoke(options);
        return new RabbitMqTransport(options, new TestLog(), TimeProvider.System);
    }

    private sealed class InMemoryTestTransport : TestTransport
    {
        public override Task<ITransport> CreateAsync() => Task.FromResult<ITransport>(new InMemoryTransport());

        public override async Task<string?> TakeAsync(ITransport transport, string queue)
        {
            if (((InMemoryTransport)transport).Count(queue) == 0)
                return null;
            await using var receiver = await Receiver.OnAsync(transport, new SubscriptionOptions { Queue = queue, Exchange = "none", Prefetch = 1 });
            var delivery = await receiver.NextAsync();
            await delivery.AcceptAsync();
            return Encoding.UTF8.GetString(delivery.Body.Span);
        }
    }

    private sealed class RabbitMqTestTransport : TestTransport
    {
        public override async Task<ITransport> CreateAsync() => CreateRabbitMq(await TestServers.RabbitMqAsync());

        public override async Task<string?> TakeAsync(ITransport transport, string queue)
        {
            await using var broker = await TestBroker.ConnectAsync();
            return await broker.GetAsync(queue) is { } message ? Encoding.UTF8.GetString(message.Body.Span) : null;
        }
    }
}

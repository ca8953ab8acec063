using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.RabbitMQ;
using Outbox.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Shop.Conductor;

internal sealed class RabbitMqRunTransport(RunPlan plan) : IRunTransport
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Uri _uri = RabbitMqOptions.ParseUri(plan.Options.RabbitMq);
    private readonly RabbitMqTransport _transport = new(
        new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(plan.Options.RabbitMq), ClientName = "shop tap" }, NullLoggerFactory.Instance, TimeProvider.System);

    public string Description => $"RabbitMQ at {_uri.Host}:{(_uri.Port > 0 ? _uri.Port : 5672)}";

    public ITransport Transport => _transport;

    public async Task WaitForQueuesAsync(CancellationToken cancellationToken)
    {
        await using var connection = await ConnectAsync(cancellationToken);
        foreach (var queue in plan.Services.SelectMany(s => s.Queues))
        {
            // A queue is bound before it is consumed.
            while (await ConsumersOfAsync(connection, queue, cancellationToken) == 0)
                await Task.Delay(50, cancellationToken);
        }
    }

    public async Task<long> CountDeadAsync(CancellationToken cancellationToken)
    {
        for (var began = Stopwatch.GetTimestamp(); ;)
        {
            try
            {
                await using var connection = await ConnectAsync(cancellationToken);
                await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
                var dead = 0L;
                foreach (var queue in plan.Services.SelectMany(s => s.Queues))
                    dead += await channel.MessageCountAsync(queue + ".dead", cancellationToken);
                return dead;
            }
            catch (RabbitMQClientException) when (Stopwatch.GetElapsedTime(began) < Patience)
            {
                // It may be restarting, by our own hand.
                await Task.Delay(500, cancellationToken);
            }
        }
    }

    public async Task DeleteAsync()
    {
        await using var connection = await ConnectAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync();
        foreach (var queue in plan.Services.SelectMany(s => s.Queues).Append(plan.TapQueue))
        {
            await channel.QueueDeleteAsync(queue);
            await channel.QueueDeleteAsync(queue + ".dead");
        }
        await channel.ExchangeDeleteAsync(plan.Exchange);
    }

    public ValueTask DisposeAsync() => _transport.DisposeAsync();

    private Task<IConnection> ConnectAsync(CancellationToken cancellationToken) =>
        new ConnectionFactory { Uri = _uri, AutomaticRecoveryEnabled = false, ClientProvidedName = "shop conductor" }.CreateConnectionAsync(cancellationToken);

    private static async Task<uint> ConsumersOfAsync(IConnection connection, string queue, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        try
        {
            return await channel.ConsumerCountAsync(queue, cancellationToken);
        }
        catch (OperationInterruptedException)
        {
            // Not declared yet; the question has closed the channel.
            return 0;
        }
    }
}

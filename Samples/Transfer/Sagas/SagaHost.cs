using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.RabbitMQ;
using Outbox.Transport;
using Transfer.Sagas.Crashes;

namespace Transfer.Sagas;

/// <summary>The saga, both participants and both relays in one process, so that all of them die together.</summary>
internal static class SagaHost
{
    private const int Concurrency = 4;

    private static readonly string[] Queues = ["saga", "ledger", "wallet"];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <param name="banks">Both databases.</param>
    /// <param name="rabbitMq">What carries messages between them.</param>
    /// <param name="name">What exchange and queues begin with.</param>
    /// <param name="crashAt">Where to die; null to live.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<IHost> StartAsync(Banks banks, string rabbitMq, string name, string? crashAt, CancellationToken cancellationToken)
    {
        var host = Create(banks, rabbitMq, name, crashAt);
        await host.StartAsync(cancellationToken);
        // The first time: a relay that knows no queue for a message tries again, but complains.
        var transport = host.Services.GetRequiredKeyedService<ITransport>("ledger");
        foreach (var queue in Queues.Select(queue => $"{name}.{queue}"))
        {
            for (var began = TimeProvider.System.GetTimestamp(); !await transport.HasQueueAsync(queue, cancellationToken);)
            {
                if (TimeProvider.System.GetElapsedTime(began) > Patience)
                    throw new TimeoutException($"Queue '{queue}' was not declared within {Patience.TotalSeconds:0} seconds. What stops its consumer stands above.");
                await Task.Delay(50, cancellationToken);
            }
        }
        return host;
    }

    private static IHost Create(Banks banks, string rabbitMq, string name, string? crashAt)
    {
        var uri = RabbitMqOptions.ParseUri(rabbitMq);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(new CrashPoint(crashAt)).AddSingleton(banks.Ledger).AddTransient<LedgerDesk>().AddTransient<WalletDesk>().AddTransient<TransferBook>();

        builder.Services.AddOutbox("ledger", _ => banks.Ledger, outbox =>
        {
            Connect(outbox);
            outbox.AddSaga<MoneySaga>(MoneySaga.Name, saga => saga.Consumer.Queue = $"{name}.saga");
            outbox.AddConsumer("ledger", consumer => consumer
                .Handle<Withdraw, Mortal<Withdraw, LedgerDesk>>()
                .Handle<GiveBack, Mortal<GiveBack, LedgerDesk>>()
                .Handle<TransferCompleted, Mortal<TransferCompleted, TransferBook>>()
                .Handle<TransferRefused, Mortal<TransferRefused, TransferBook>>()
                .InAnyOrder(Concurrency)
                .Options.Queue = $"{name}.ledger");
        });
        builder.Services.AddOutbox("wallet", _ => banks.Wallet, outbox =>
        {
            Connect(outbox);
            outbox.AddConsumer("wallet", consumer => consumer.Handle<Deposit, Mortal<Deposit, WalletDesk>>().InAnyOrder(Concurrency).Options.Queue = $"{name}.wallet");
        });
        return builder.Build();

        void Connect(OutboxBuilder outbox)
        {
            outbox.Options.Exchange = name;
            outbox.UseTransport(services => new MortalTransport(
                new RabbitMqTransport(new RabbitMqOptions { Uri = uri, ClientName = "transfer sample" }, services.GetRequiredService<ILoggerFactory>(), TimeProvider.System),
                services.GetRequiredService<CrashPoint>()));
            // The process that comes after a killed one waits until the lease has run out.
            outbox.AddRelay(relay => relay.LeaseDuration = TimeSpan.FromSeconds(3));
        }
    }
}

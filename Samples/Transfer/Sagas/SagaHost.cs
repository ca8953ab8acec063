using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Broker.Relay;
using Outbox;
using Outbox.RabbitMQ;
using Transfer.Sagas.Crashes;

namespace Transfer.Sagas;

/// <summary>The saga, both participants and both relays in one process, so that all of them die together.</summary>
internal static class SagaHost
{
    private const int Concurrency = 4;

    /// <param name="banks">Both databases.</param>
    /// <param name="rabbitMq">What carries messages between them.</param>
    /// <param name="name">What exchange and queues begin with.</param>
    /// <param name="crashAt">Where to die; null to live.</param>
    public static IHost Create(Banks banks, string rabbitMq, string name, string? crashAt)
    {
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
                new RabbitMqTransport(
                    new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(rabbitMq), ClientName = "transfer sample" }, services.GetRequiredService<ILoggerFactory>(), TimeProvider.System),
                services.GetRequiredService<CrashPoint>()));
            // The process that comes after a killed one waits until the lease has run out.
            outbox.AddRelay(relay => relay.LeaseDuration = TimeSpan.FromSeconds(2));
        }
    }
}

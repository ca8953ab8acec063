using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker.Campaigns;

/// <summary>A service in a process of its own that books transfers: the library's consumer, to be killed.</summary>
internal static class BankConsumer
{
    /// <summary>The hidden verb that makes a process one of these.</summary>
    public const string Verb = "bank-consumer";

    public const string Name = "bank";

    /// <summary>It says so when it reads its queue.</summary>
    public const string Ready = "ready";

    /// <summary>What it is to do; travels on its standard input.</summary>
    internal sealed record Settings(string RabbitMq, string Exchange, string Engine, string ConnectionString, int Concurrency, int Batch, int Partitions);

    /// <summary>Money goes from one account to another. It is the account's own transfer number <paramref name="Version"/>; some fail as long as the bank says so, some twice.</summary>
    [MessageType("bank.money-sent.v1")]
    internal sealed record MoneySent(int From, int To, int Amount, long Version, bool FailsTwice, bool FailsAlways);

    public static async Task<int> RunAsync()
    {
        var settings = JsonConvert.DeserializeObject<Settings>((await Console.In.ReadLineAsync())!)!;
        await using var dataSource = DataSources.Create(Database.Engine(settings.Engine), settings.ConnectionString, settings.Concurrency + 8);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = Name });
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information).AddFilter("Outbox", LogLevel.Error);
        builder.Services.AddOutbox(Name, _ => dataSource, outbox =>
        {
            outbox.Options.Exchange = settings.Exchange;
            outbox.UseRabbitMq(settings.RabbitMq).AddConsumer(Name, consumer =>
            {
                consumer.Options.Queue = settings.Exchange;
                consumer.Options.MaxAttempts = 3;
                // They are killed every few seconds, and what a dead one held is to be read between two kills.
                consumer.Options.LeaseDuration = TimeSpan.FromSeconds(2);
                consumer.Handle<MoneySent, Book>().InOrderPerKey(settings.Concurrency).Batch(settings.Batch).Partitions(settings.Partitions);
            });
        });
        using var host = builder.Build();
        await host.RunAsync();
        return 0;
    }

    /// <summary>Books a transfer. That it is the next one of its account is written down with it, and so is the contrary.</summary>
    private sealed class Book : IMessageHandler<MoneySent>
    {
        public async Task HandleAsync(MoneySent message, MessageContext context, CancellationToken cancellationToken)
        {
            async Task<int> ExecuteAsync(string sql, params (string Name, object Value)[] values)
            {
                var command = context.Transaction.Connection!.Command(sql, context.Transaction);
                foreach (var (name, value) in values)
                    command.With(name, value);
                return await command.ExecuteAsync(cancellationToken);
            }

            var booked = await ExecuteAsync("UPDATE accounts SET balance = balance - @amount, version = @version WHERE id = @id AND version = @version - 1", ("amount", message.Amount), ("version", message.Version), ("id", message.From));
            if (booked == 0)
                await ExecuteAsync("INSERT INTO wrong_orders (account, version) VALUES (@id, @version)", ("id", message.From), ("version", message.Version));
            await ExecuteAsync("UPDATE accounts SET balance = balance + @amount WHERE id = @id", ("amount", message.Amount), ("id", message.To));
            // After the effects, which have to be undone.
            if (message.FailsTwice && context.Attempt <= 2)
                throw new InvalidOperationException("Not yet.");
            if (message.FailsAlways && await ExecuteAsync("UPDATE bank SET closed = closed WHERE closed = 1") > 0)
                throw new InvalidOperationException("The bank is closed for this one.");
        }
    }
}

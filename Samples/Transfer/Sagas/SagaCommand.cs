using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Transfer.Sagas.Crashes;

namespace Transfer.Sagas;

/// <summary>Transfers by saga, and what killed processes have left of them.</summary>
internal static class SagaCommand
{
    private const int MostTransfers = 10_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static Command Create()
    {
        var amount = new Option<long>("--amount") { Description = "How much each transfer moves from the ledger to the wallet.", DefaultValueFactory = _ => 10 };
        var count = new Option<int>("--count") { Description = "How many transfers begin. 0 only ends those that a killed process has left.", DefaultValueFactory = _ => 1 };
        var crashAt = new Option<string?>("--crash-at") { Description = "The step at which the process kills itself, such as after-commit:withdraw or before-publish:deposit.", HelpName = "step" };
        var rabbitMq = Banks.Server("--rabbitmq", "BROKER_TEST_RABBITMQ", "RabbitMQ, as amqp://user:password@host:5672/vhost.");
        var command = Banks.With(new Command("saga", "Moves money by saga, and waits until every transfer has ended."), rabbitMq, amount, count, crashAt);
        Given.Check(amount, text => long.TryParse(text, CultureInfo.InvariantCulture, out var value) && value > 0, "a whole number above 0: a saga takes from the ledger first");
        Given.Check(count, text => int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= MostTransfers, $"a whole number from 0 to {MostTransfers}");
        Given.Check(crashAt, CrashPoint.All.Contains, $"one of: {string.Join(", ", CrashPoint.All)}");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var banks = await Banks.OpenAsync(parsed, cancellationToken);
            using var host = await SagaHost.StartAsync(banks, parsed.GetValue(rabbitMq)!, parsed.GetValue(Banks.Database)!, parsed.GetValue(crashAt), cancellationToken);
            var (book, outbox) = (host.Services.GetRequiredService<TransferBook>(), host.Services.GetRequiredKeyedService<IOutbox>("ledger"));
            await banks.ShowAsync("before", cancellationToken);
            for (var i = 0; i < parsed.GetValue(count); i++)
                await book.WantAsync(outbox, parsed.GetValue(amount), cancellationToken);
            await book.WaitAsync(Patience, cancellationToken);
            await host.StopAsync(cancellationToken);
            return await CheckAsync(banks, "after", cancellationToken);
        });
        return command;
    }

    public static Command Check()
    {
        var command = Banks.With(new Command("check", "Shows both accounts and what became of the transfers by saga; fails unless all have ended and no money is missing."));
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var banks = await Banks.OpenAsync(parsed, cancellationToken);
            return await CheckAsync(banks, "now", cancellationToken);
        });
        return command;
    }

    private static async Task<int> CheckAsync(Banks banks, string when, CancellationToken cancellationToken)
    {
        var book = new TransferBook(banks.Ledger);
        await book.ShowAsync(cancellationToken);
        var total = await banks.ShowAsync(when, cancellationToken);
        if (await book.CountOnTheirWayAsync(cancellationToken) is > 0 and var onTheirWay)
            Console.WriteLine($"NOT ENDED: {onTheirWay} transfers are on their way. End them by: saga --count 0");
        else if (total != Banks.Total)
            Console.WriteLine($"NOT WHOLE: together they should hold {Banks.Total}. What two-phase commit has left is ended by: recover");
        else
            return 0;
        return 1;
    }
}

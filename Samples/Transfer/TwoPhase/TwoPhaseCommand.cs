using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Etcd;
using Outbox.TwoPhaseCommit;

namespace Transfer.TwoPhase;

/// <summary>The transfer by two-phase commit, and what recovers it.</summary>
internal static class TwoPhaseCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private static readonly Option<string?> Etcd = new("--etcd") { Description = "Keep the decisions in etcd there, instead of in the ledger's database.", HelpName = "url" };

    public static Command Create()
    {
        var amount = new Option<long>("--amount") { Description = "How much goes from the ledger to the wallet; a negative amount goes back.", DefaultValueFactory = _ => 10 };
        var crashAt = new Option<string?>("--crash-at") { Description = "The step at which the process kills itself, such as after-prepare:wallet or after-decision.", HelpName = "step" };
        var command = Banks.With(new Command("two-phase", "Moves money by two-phase commit."), Etcd, amount, crashAt);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var banks = await Banks.OpenAsync(parsed, cancellationToken);
            using var host = HostOf(banks, parsed.GetValue(Etcd), parsed.GetValue(crashAt));
            await host.StartAsync(cancellationToken);
            await banks.ShowAsync("before", cancellationToken);
            var outcome = await new MoneyTransfer(host.Services.GetRequiredService<TransactionCoordinator>()).MoveAsync(parsed.GetValue(amount), cancellationToken);
            Console.WriteLine(outcome switch
            {
                TransactionOutcome.Committed => "committed",
                TransactionOutcome.RolledBack rolledBack => $"rolled back: {rolledBack.Reason}",
                TransactionOutcome.InDoubt inDoubt => $"in doubt: ask again for {inDoubt.TransactionId}",
                _ => "",
            });
            await banks.ShowAsync("after", cancellationToken);
            await host.StopAsync(cancellationToken);
            return outcome is TransactionOutcome.Committed ? 0 : 1;
        });
        return command;
    }

    public static Command Recover()
    {
        var command = Banks.With(new Command("recover", "Finishes what a killed process has left behind, as every process of the service does in the background."), Etcd);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var banks = await Banks.OpenAsync(parsed, cancellationToken);
            using var host = HostOf(banks, parsed.GetValue(Etcd), crashAt: null);
            await host.StartAsync(cancellationToken);
            // What is undecided waits for its deadline, and then for the next look.
            var began = Stopwatch.GetTimestamp();
            while (await banks.HasPreparedAsync(cancellationToken) && Stopwatch.GetElapsedTime(began) < Timeout + TimeSpan.FromSeconds(10))
                await Task.Delay(100, cancellationToken);
            await banks.ShowAsync("recovered", cancellationToken);
            await host.StopAsync(cancellationToken);
        });
        return command;
    }

    private static IHost HostOf(Banks banks, string? etcd, string? crashAt)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Outbox", LogLevel.Information);
        var (ledger, wallet) = (banks.Ledger, banks.Wallet);

        builder.Services.AddTwoPhaseCommit("transfers", transactions =>
        {
            transactions.AddParticipant("ledger", ledger).AddParticipant("wallet", wallet);
            if (etcd is not null)
                transactions.DecideInEtcd(etcd);
            transactions.Options.Reached = step => Die(step, crashAt);
        });

        return builder.Build();
    }

    private static ValueTask Die(TransactionStep step, string? at)
    {
        if (at is null || (step.ToString() != at && step.Name != at))
            return ValueTask.CompletedTask;
        Death.At(step.ToString());
        return ValueTask.CompletedTask;
    }

    /// <summary>The time that a transfer may take.</summary>
    internal static TimeSpan LongestTransfer => Timeout;
}

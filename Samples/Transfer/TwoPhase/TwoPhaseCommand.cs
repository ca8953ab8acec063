using System.CommandLine;
using System.Data.Common;
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

    /// <summary>The steps of a transfer: those of one database also with its name, else of whichever comes first.</summary>
    private static readonly IReadOnlyList<string> Steps =
    [
        .. from name in new[] { "enlist", "prepare", "commit", "rollback" } from when in new[] { "before", "after" } from of in new[] { "", ":ledger", ":wallet" } select $"{when}-{name}{of}",
        "after-work", "before-decision", "after-decision",
    ];

    public static Command Create()
    {
        var amount = new Option<long>("--amount") { Description = "How much goes from the ledger to the wallet; a negative amount goes back.", DefaultValueFactory = _ => 10 };
        var crashAt = new Option<string?>("--crash-at") { Description = "The step at which the process kills itself, such as after-prepare:wallet or after-decision.", HelpName = "step" };
        Given.Check(crashAt, Steps.Contains, $"one of: {string.Join(", ", Steps)}");
        var command = Banks.With(new Command("two-phase", "Moves money by two-phase commit."), Etcd, amount, crashAt);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var banks = await Banks.OpenAsync(parsed, cancellationToken);
            using var host = HostOf(banks, parsed.GetValue(Etcd), parsed.GetValue(crashAt));
            await host.StartAsync(cancellationToken);
            await banks.ShowAsync("before", cancellationToken);
            var (isCommitted, told) = await MoveAsync(host.Services.GetRequiredService<TransactionCoordinator>(), parsed.GetValue(amount), cancellationToken);
            Console.WriteLine(told);
            await banks.ShowAsync("after", cancellationToken);
            await host.StopAsync(cancellationToken);
            if (parsed.GetValue(crashAt) is { } step)
                Console.WriteLine($"It ended without coming to the step {step}: a transfer commits, or is rolled back because a database could not vote.");
            return isCommitted ? 0 : 1;
        });
        return command;
    }

    private static async Task<(bool IsCommitted, string Told)> MoveAsync(TransactionCoordinator coordinator, long amount, CancellationToken cancellationToken)
    {
        try
        {
            return await new MoneyTransfer(coordinator).MoveAsync(amount, cancellationToken) switch
            {
                TransactionOutcome.Committed => (true, "committed"),
                TransactionOutcome.RolledBack rolledBack => (false, $"rolled back: {rolledBack.Reason}"),
                TransactionOutcome.InDoubt inDoubt => (false, $"in doubt: ask again for {inDoubt.TransactionId}"),
                _ => (false, ""),
            };
        }
        catch (DbException exception)
        {
            // Before the commit: an account that has not so much, or a database that is away.
            return (false, $"refused, so nothing has changed anywhere: {exception.Message}");
        }
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

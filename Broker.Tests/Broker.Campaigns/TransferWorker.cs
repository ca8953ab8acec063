using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Outbox.Etcd;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Campaigns;

/// <summary>A service in a process of its own that moves money between two databases, and brings itself, its sessions and its branches into trouble.</summary>
internal static class TransferWorker
{
    /// <summary>The hidden verb that makes a process one of these.</summary>
    public const string Verb = "transfer-worker";

    /// <summary>What it says: it begins a transfer, a person has put a hand on it, and how it ended.</summary>
    public const string Begins = "B", ByHand = "H", Ended = "E";

    private static readonly string[] Steps =
    [
        "before-enlist:ledger", "after-enlist:ledger", "before-enlist:warehouse", "after-enlist:warehouse", "after-work", "before-prepare:ledger", "after-prepare:ledger", "before-prepare:warehouse",
        "after-prepare:warehouse", "before-decision", "after-decision", "before-commit:ledger", "after-commit:ledger", "before-commit:warehouse", "after-commit:warehouse",
    ];

    /// <summary>What it is to do; travels on its standard input. The first connection strings lead through what loses replies.</summary>
    internal sealed record Settings(string Coordinator, string Ledger, string Warehouse, string DirectLedger, string DirectWarehouse, bool DecidesInWarehouse, string[] Etcd, int Accounts, int Seed, int Transfers, bool WithHands);

    public static async Task<int> RunAsync()
    {
        var settings = JsonConvert.DeserializeObject<Settings>((await Console.In.ReadLineAsync())!)!;
        var run = new Run(settings);
        await run.RunAsync();
        return 0;
    }

    private sealed class Run(Settings settings)
    {
        private readonly Random _random = new(settings.Seed);
        private readonly Dictionary<string, long> _sessions = [];
        private string _at = "";
        private Func<TransactionId, Task> _happens = _ => Task.CompletedTask;
        private TransactionId _id;

        public async Task RunAsync()
        {
            await using var ledger = DataSources.Create(SqlDialect.PostgreSql, settings.Ledger);
            await using var warehouse = DataSources.Create(SqlDialect.MySql, settings.Warehouse);
            await using var directLedger = DataSources.Create(SqlDialect.PostgreSql, settings.DirectLedger);
            await using var directWarehouse = DataSources.Create(SqlDialect.MySql, settings.DirectWarehouse);
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = Verb });
            builder.Services.AddTwoPhaseCommit(settings.Coordinator, transfers =>
            {
                transfers.AddParticipant("ledger", ledger).AddParticipant("warehouse", warehouse);
                if (settings.Etcd.Length > 0)
                    transfers.DecideInEtcd(settings.Etcd);
                else if (settings.DecidesInWarehouse)
                    transfers.DecideIn("warehouse");
                transfers.Options.Patience = TimeSpan.FromSeconds(3);
                transfers.Options.Reached = async step =>
                {
                    if (step.ToString() == _at)
                        await _happens(_id);
                };
            });
            builder.Logging.SetMinimumLevel(LogLevel.None);
            using var host = builder.Build();
            await host.StartAsync();
            var coordinator = host.Services.GetRequiredService<TransactionCoordinator>();
            for (var i = 0; i < settings.Transfers; i++)
            {
                Choose(directLedger, directWarehouse);
                await TransferAsync(coordinator);
            }
            await host.StopAsync();
        }

        /// <summary>What happens in the next transfer, and where.</summary>
        private void Choose(DbDataSource ledger, DbDataSource warehouse)
        {
            _at = Steps[_random.Next(Steps.Length)];
            var participant = _random.Next(2) == 0 ? "ledger" : "warehouse";
            _happens = _random.NextDouble() switch
            {
                // As nobody can do it better: with a signal that cannot be caught.
                < 0.10 => _ =>
                {
                    Process.GetCurrentProcess().Kill();
                    return Task.Delay(Timeout.InfiniteTimeSpan);
                },
                < 0.25 => _ => KillSessionAsync(participant, participant == "ledger" ? ledger : warehouse),
                < 0.28 => _ => Task.Delay(TimeSpan.FromSeconds(3.5)),
                < 0.33 when settings.WithHands => id => FinishByHandAsync(id, ledger),
                _ => _ => Task.CompletedTask,
            };
        }

        private async Task TransferAsync(TransactionCoordinator coordinator)
        {
            _id = default;
            try
            {
                await using var transaction = await coordinator.BeginAsync(TimeSpan.FromSeconds(2));
                if (!TransactionId.TryParse(transaction.Id, out _id))
                    throw new InvalidOperationException("It has no id.");
                // One in ten is more than an account holds.
                var amount = _random.Next(10) == 0 ? 1_000_000 : _random.Next(1, 20);
                var (from, to) = _random.Next(2) == 0 ? ("ledger", "warehouse") : ("warehouse", "ledger");
                var (source, destination) = (_random.Next(settings.Accounts), _random.Next(settings.Accounts));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Begins} {transaction.Id} {from} {source} {to} {destination} {amount}"));
                _sessions.Clear();
                await ChangeAsync(await EnlistAsync(transaction, from), source, -amount);
                await ChangeAsync(await EnlistAsync(transaction, to), destination, amount);
                var outcome = await transaction.CommitAsync();
                Console.WriteLine($"{Ended} {transaction.Id} {outcome.GetType().Name}");
            }
            catch (Exception exception) when (exception is DbException or TimeoutException or OperationCanceledException or InvalidOperationException || SqlErrors.IsUnavailable(exception) || exception is Grpc.Core.RpcException)
            {
                // The work has failed before the commit, so nothing of it may be left.
                if (_id != default)
                    Console.WriteLine($"{Ended} {_id} {nameof(TransactionOutcome.RolledBack)}");
            }
        }

        private async Task<EnlistedParticipant> EnlistAsync(CoordinatedTransaction transaction, string name)
        {
            var participant = await transaction.EnlistAsync(name);
            await using var command = participant.CreateCommand(name == "ledger" ? "SELECT pg_backend_pid()" : "SELECT connection_id()");
            _sessions[name] = Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
            return participant;
        }

        private static async Task ChangeAsync(EnlistedParticipant participant, int account, long amount)
        {
            await using var command = participant.CreateCommand("UPDATE accounts SET balance = balance + @amount WHERE id = @id");
            command.CommandTimeout = 5;
            await command.With("amount", amount).With("id", account).ExecuteNonQueryAsync();
        }

        private async Task KillSessionAsync(string participant, DbDataSource direct)
        {
            if (!_sessions.TryGetValue(participant, out var session))
                return;
            try
            {
                await using var connection = await direct.OpenConnectionAsync();
                await connection.Command(participant == "ledger" ? FormattableString.Invariant($"SELECT pg_terminate_backend({session})") : FormattableString.Invariant($"KILL {session}")).ExecuteAsync(CancellationToken.None);
            }
            catch (DbException)
            {
                // It is gone already.
            }
        }

        /// <summary>A person with the wrong idea.</summary>
        private async Task FinishByHandAsync(TransactionId id, DbDataSource ledger)
        {
            Console.WriteLine($"{ByHand} {id}");
            var statements = SqlDialect.PostgreSql.Branches!;
            try
            {
                await using var connection = await ledger.OpenConnectionAsync();
                await connection.Command(_random.Next(2) == 0 ? statements.Commit(id, "ledger") : statements.Rollback(id, "ledger")).ExecuteAsync(CancellationToken.None);
            }
            catch (DbException)
            {
                // It is not prepared at this moment.
            }
        }
    }
}

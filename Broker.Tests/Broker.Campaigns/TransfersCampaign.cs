using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json;
using Outbox.Etcd;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Campaigns;

/// <summary>Money between a PostgreSQL and a MariaDB database by two-phase commit, while coordinators are killed, sessions end, replies are lost, deadlines pass, and a person finishes branches by hand (G9).</summary>
internal sealed class TransfersCampaign(TransfersCampaign.Plan plan, Action<string> say)
{
    private const long Balance = 1_000;
    private static readonly TimeSpan LongestRecovery = TimeSpan.FromSeconds(30);

    private readonly Verdict _verdict = Verdict.None;
    private readonly Random _random = new(plan.Seed);
    private readonly ConcurrentDictionary<string, Transfer> _transfers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _outcomes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _byHand = new(StringComparer.Ordinal);
    private int _killed;

    internal sealed record Plan
    {
        /// <summary>Transfers, of all processes together.</summary>
        public int Runs { get; init; } = 1_000;

        public int Processes { get; init; } = 2;

        public int Accounts { get; init; } = 200;

        public int Seed { get; init; } = 1;

        /// <summary>Where decisions are kept: <c>ledger</c>, <c>warehouse</c> or <c>etcd</c>.</summary>
        public string DecideIn { get; init; } = "ledger";

        /// <summary>Whether a person finishes some branches by hand.</summary>
        public bool WithHands { get; init; } = true;

        /// <summary>The mean time between two losses of replies.</summary>
        public TimeSpan Between { get; init; } = TimeSpan.FromSeconds(1);
    }

    private sealed record Transfer(string From, int Source, string To, int Destination, long Amount);

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find(plan.DecideIn == "etcd" ? ["postgres", "mariadb", "etcd"] : ["postgres", "mariadb"]);
        await using var ledger = await Database.CreateAsync(SqlDialect.PostgreSql, servers, partitions: 1);
        await using var warehouse = await Database.CreateAsync(SqlDialect.MySql, servers, partitions: 1);
        foreach (var database in new[] { ledger, warehouse })
        {
            await database.ExecuteAsync("CREATE TABLE accounts (id int NOT NULL PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))");
            await database.ExecuteAsync("INSERT INTO accounts (id, balance) VALUES " + string.Join(", ", Enumerable.Range(0, plan.Accounts).Select(id => string.Create(CultureInfo.InvariantCulture, $"({id}, {Balance})"))));
        }
        await using var beforeLedger = Before(ledger);
        await using var beforeWarehouse = Before(warehouse);
        var etcd = plan.DecideIn == "etcd" ? servers["BROKER_TEST_ETCD"].Split(',') : [];
        var name = "c" + Guid.CreateVersion7().ToString("N")[^14..];
        var settings = new TransferWorker.Settings(
            name, Through(beforeLedger, ledger), Through(beforeWarehouse, warehouse), ledger.ConnectionString, warehouse.ConnectionString, plan.DecideIn == "warehouse", etcd, plan.Accounts, 0, 0, plan.WithHands);
        var builder = new TwoPhaseCommitBuilder(name).AddParticipant("ledger", ledger.DataSource).AddParticipant("warehouse", warehouse.DataSource);
        _ = plan.DecideIn == "etcd" ? builder.DecideInEtcd(etcd) : builder.DecideIn(plan.DecideIn);
        var coordination = builder.Build(null!, TimeProvider.System, NullLogger.Instance);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var losing = LoseRepliesAsync([beforeLedger, beforeWarehouse], end.Token);
        await Task.WhenAll(Enumerable.Range(0, plan.Processes).Select(i => WorkAsync(settings, i, cancellationToken)));
        await end.CancelAsync();
        await losing;
        say(string.Create(CultureInfo.InvariantCulture, $"{_transfers.Count:N0} transfers: {_outcomes.Count(o => o.Value == nameof(TransactionOutcome.Committed)):N0} committed, {_outcomes.Count(o => o.Value == nameof(TransactionOutcome.RolledBack)):N0} rolled back, {_outcomes.Count(o => o.Value == nameof(TransactionOutcome.InDoubt)):N0} in doubt, {_transfers.Count - _outcomes.Count:N0} without an answer; {_killed:N0} coordinators killed"));

        await RecoverAsync(coordination);
        await CheckAsync(coordination, ledger, warehouse);
        _verdict.Count(_transfers.Count);
        return _verdict;
    }

    /// <summary>One process after the other: each goes on where the last one was killed.</summary>
    private async Task WorkAsync(TransferWorker.Settings settings, int number, CancellationToken cancellationToken)
    {
        var left = plan.Runs / plan.Processes;
        for (var life = 0; left > 0; life++)
        {
            using var process = Start(settings with { Seed = (plan.Seed * 1_000_003) + (number * 1_009) + life, Transfers = left });
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            while (await process.StandardOutput.ReadLineAsync(CancellationToken.None) is { } line)
            {
                var words = line.Split(' ');
                if (words[0] == TransferWorker.Begins)
                {
                    left--;
                    _transfers[words[1]] = new Transfer(words[2], Number(words[3]), words[4], Number(words[5]), Number(words[6]));
                }
                else if (words[0] == TransferWorker.ByHand)
                {
                    _byHand[words[1]] = true;
                }
                else if (words[0] == TransferWorker.Ended && words.Length == 3)
                {
                    _outcomes[words[1]] = words[2];
                }
                if (cancellationToken.IsCancellationRequested && !process.HasExited)
                    process.Kill();
            }
            await process.WaitForExitAsync(CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
            if (process.ExitCode == 0)
                return;
            Interlocked.Increment(ref _killed);
            if (await errors is { Length: > 0 } error)
                _verdict.Add($"a coordinator ended by itself: {error}");
        }
    }

    private async Task LoseRepliesAsync(IReadOnlyList<TcpProxy> proxies, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(plan.Between * (0.5 + _random.NextDouble()), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var proxy = proxies[_random.Next(proxies.Count)];
            proxy.DropReplies();
            await Task.Delay(_random.Next(5, 60), CancellationToken.None);
            proxy.Cut();
            proxy.Resume();
        }
    }

    private async Task RecoverAsync(Coordination coordination)
    {
        var began = TimeProvider.System.GetTimestamp();
        var recovery = new TransactionRecovery(coordination);
        for (; ; )
        {
            var report = await recovery.RunAsync(CancellationToken.None);
            var prepared = 0;
            foreach (var participant in coordination.Participants)
                prepared += (await participant.ListPreparedAsync(coordination.Name, CancellationToken.None)).Count;
            var took = TimeProvider.System.GetElapsedTime(began);
            if (prepared == 0 && report.Lost.Count == 0 && (await coordination.Store.ListUnfinishedAsync(TimeSpan.Zero, 100, CancellationToken.None)).Count == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"nothing is prepared {took.TotalSeconds:0.0} s after the last process has ended"));
                return;
            }
            if (took > LongestRecovery)
            {
                _verdict.Add(string.Create(CultureInfo.InvariantCulture, $"{prepared} branches are still prepared after {LongestRecovery.TotalSeconds:0} s"));
                return;
            }
            await Task.Delay(100);
        }
    }

    /// <summary>All or nothing, as the marker rows and the accounts themselves say; and nobody was told the contrary.</summary>
    private async Task CheckAsync(Coordination coordination, Database ledger, Database warehouse)
    {
        var markers = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var (name, database) in new[] { ("ledger", ledger), ("warehouse", warehouse) })
            markers[name] = [.. (await database.QueryAsync("SELECT transaction_id FROM transaction_markers")).Select(row => row[0])];
        var shown = (await coordination.Store.ListAsync(onlyHeuristic: true, 10_000, CancellationToken.None)).Select(d => d.Id.ToString()).ToHashSet(StringComparer.Ordinal);
        var expected = new Dictionary<(string, int), long>();
        var mixed = 0;
        foreach (var (id, transfer) in _transfers)
        {
            var (isSent, isReceived) = (markers[transfer.From].Contains(id), markers[transfer.To].Contains(id));
            if (isSent)
                expected[(transfer.From, transfer.Source)] = expected.GetValueOrDefault((transfer.From, transfer.Source)) - transfer.Amount;
            if (isReceived)
                expected[(transfer.To, transfer.Destination)] = expected.GetValueOrDefault((transfer.To, transfer.Destination)) + transfer.Amount;
            var isHuman = _byHand.ContainsKey(id);
            var outcome = _outcomes.GetValueOrDefault(id);
            if (isSent != isReceived)
            {
                mixed++;
                if (!isHuman)
                    _verdict.Add($"{id}: half of it is committed, and no person had a hand in it; told: {outcome ?? "nothing"}");
                if (!shown.Contains(id))
                    _verdict.Add($"{id}: half of it is committed, and it is not shown as heuristic");
            }
            else if (shown.Contains(id) && !isHuman)
            {
                _verdict.Add($"{id}: shown as heuristic, and no person had a hand in it");
            }
            else if (!isHuman && ((outcome == nameof(TransactionOutcome.Committed) && !isSent) || (outcome == nameof(TransactionOutcome.RolledBack) && isSent)))
            {
                _verdict.Add($"{id}: told {outcome}, but it is {(isSent ? "committed" : "rolled back")}");
            }
        }
        var total = 0L;
        foreach (var (name, database) in new[] { ("ledger", ledger), ("warehouse", warehouse) })
        {
            foreach (var row in await database.QueryAsync("SELECT id, balance FROM accounts"))
            {
                var (account, balance) = (Number(row[0]), long.Parse(row[1], CultureInfo.InvariantCulture));
                total += balance;
                if (balance != Balance + expected.GetValueOrDefault((name, account)))
                    _verdict.Add($"account {account} of {name} holds {balance}, its markers say {Balance + expected.GetValueOrDefault((name, account))}");
            }
        }
        if (mixed == 0 && total != 2 * plan.Accounts * Balance)
            _verdict.Add($"there are {total} in all accounts, and were {2 * plan.Accounts * Balance}");
        say(string.Create(CultureInfo.InvariantCulture, $"{total:N0} in all accounts, {2 * plan.Accounts * Balance:N0} at first; {mixed} transfers are half done by a person, {shown.Count} are shown as heuristic"));
    }

    private static TcpProxy Before(Database database) => TcpProxy.To("127.0.0.1", Number((string)new DbConnectionStringBuilder { ConnectionString = database.ConnectionString }["Port"]));

    private static string Through(TcpProxy proxy, Database database) =>
        new DbConnectionStringBuilder { ConnectionString = database.ConnectionString, ["Port"] = proxy.Port.ToString(CultureInfo.InvariantCulture) }.ConnectionString;

    private static Process Start(TransferWorker.Settings settings)
    {
        var build = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "..", "..", "Broker.Campaigns", build, "Broker.Campaigns.dll"), TransferWorker.Verb]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.WriteLine(JsonConvert.SerializeObject(settings));
        process.StandardInput.Close();
        return process;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}

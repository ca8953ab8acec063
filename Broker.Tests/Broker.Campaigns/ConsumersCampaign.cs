using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Broker.Relay;
using Newtonsoft.Json;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;
using RabbitMQ.Client;

namespace Broker.Campaigns;

/// <summary>Consumers that are killed while they book transfers which arrive several times: each takes effect once, in the order of its account, and no money appears or goes (G3, G4, G6).</summary>
internal sealed class ConsumersCampaign(ConsumersCampaign.Plan plan, Action<string> say)
{
    private const long Balance = 1_000_000;
    private const int MostCopies = 5;
    private const int Confirms = 500;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(30);

    private readonly Verdict _verdict = Verdict.None;
    private readonly Random _random = new(plan.Seed);
    private readonly long[] _versions = new long[plan.Accounts];
    private int _killed;

    internal sealed record Plan
    {
        public SqlDialect Dialect { get; init; } = SqlDialect.PostgreSql;

        public int Messages { get; init; } = 200_000;

        public int Processes { get; init; } = 4;

        public int Concurrency { get; init; } = 8;

        public int Batch { get; init; } = 1;

        /// <summary>The queues that the processes share; with one, one process works and the others stand by.</summary>
        public int Partitions { get; init; } = 1;

        public int Accounts { get; init; } = 500;

        public int Seed { get; init; } = 1;

        /// <summary>Whether one transfer in 500 fails until an operator redrives it, and one in 50 twice.</summary>
        public bool SomeFail { get; init; } = true;

        /// <summary>How long the consumers cannot reach their database, once, in the middle.</summary>
        public TimeSpan Away { get; init; }

        /// <summary>The mean time between two kills.</summary>
        public TimeSpan Between { get; init; } = TimeSpan.FromSeconds(3);
    }

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find(Database.ServerOf(plan.Dialect) is { } server ? ["rabbitmq", server] : ["rabbitmq"]);
        await using var database = await Database.CreateAsync(plan.Dialect, servers, partitions: 1);
        await database.ExecuteAsync("CREATE TABLE accounts (id int NOT NULL PRIMARY KEY, balance bigint NOT NULL, version bigint NOT NULL)");
        await database.ExecuteAsync("CREATE TABLE wrong_orders (account int NOT NULL, version bigint NOT NULL)");
        await database.ExecuteAsync("CREATE TABLE bank (closed int NOT NULL)");
        await database.ExecuteAsync("INSERT INTO bank (closed) VALUES (1)");
        foreach (var ids in Enumerable.Range(0, plan.Accounts).Chunk(500))
            await database.ExecuteAsync("INSERT INTO accounts (id, balance, version) VALUES " + string.Join(", ", ids.Select(id => string.Create(CultureInfo.InvariantCulture, $"({id}, {Balance}, 0)"))));
        var exchange = $"campaign-{Guid.CreateVersion7():N}";
        await using var before = plan.Away > TimeSpan.Zero ? Before(database) : null;
        var settings = new BankConsumer.Settings(servers["BROKER_TEST_RABBITMQ"], exchange, plan.Dialect.Name, before is null ? database.ConnectionString : Through(before, database), plan.Concurrency, plan.Batch, plan.Partitions);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var factory = new ConnectionFactory { Uri = new Uri(settings.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        var processes = Enumerable.Range(0, plan.Processes).Select(_ => Start(settings)).ToList();
        try
        {
            await BoundAsync(connection, exchange);
            var killing = KillAsync(processes, settings, end.Token);
            var watching = WatchTotalAsync(database, end.Token);
            var away = before is null ? Task.CompletedTask : TakeAwayAsync(before, database);
            await PublishAsync(connection, exchange, cancellationToken);
            await away;
            await BookedAsync(database, _ => true, cancellationToken);
            if (plan.SomeFail)
                await RedriveAsync(database, cancellationToken);
            await end.CancelAsync();
            await killing;
            await watching;
        }
        finally
        {
            foreach (var process in processes)
                await EndAsync(process);
            await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
            foreach (var queue in Queues(exchange))
            {
                await channel.QueueDeleteAsync(queue, cancellationToken: CancellationToken.None);
                await channel.QueueDeleteAsync(queue + ".dead", cancellationToken: CancellationToken.None);
            }
            var spread = string.Create(CultureInfo.InvariantCulture, $"{exchange}.of-{plan.Partitions}");
            foreach (var name in (string[])[exchange, spread, spread + ".rest"])
                await channel.ExchangeDeleteAsync(name, cancellationToken: CancellationToken.None);
        }
        await CheckAsync(database);
        return _verdict;
    }

    private static TcpProxy Before(Database database)
    {
        var parts = new DbConnectionStringBuilder { ConnectionString = database.ConnectionString };
        return TcpProxy.To("127.0.0.1", int.Parse((string)parts["Port"], CultureInfo.InvariantCulture));
    }

    private static string Through(TcpProxy proxy, Database database) =>
        new DbConnectionStringBuilder { ConnectionString = database.ConnectionString, ["Port"] = proxy.Port.ToString(CultureInfo.InvariantCulture) }.ConnectionString;

    /// <summary>Cuts the consumers off from their database when a part of the transfers is booked. Nothing of that may count as a failure (G8).</summary>
    private async Task TakeAwayAsync(TcpProxy proxy, Database database)
    {
        while (await SumAsync(database) < plan.Messages / 10)
            await Task.Delay(50);
        proxy.Cut(refuse: true);
        // A commit that was on its way may still be done.
        await Task.Delay(TimeSpan.FromSeconds(1));
        var (sum, dead) = (await SumAsync(database), await database.CountAsync("dead_letters"));
        say($"the database is away, {sum:N0} transfers are booked");
        await Task.Delay(plan.Away);
        if (await SumAsync(database) != sum || await database.CountAsync("dead_letters") != dead)
            _verdict.Add("something was written while the database was away");
        var back = TimeProvider.System.GetTimestamp();
        proxy.Resume();
        while (await SumAsync(database) == sum)
            await Task.Delay(20);
        say(string.Create(CultureInfo.InvariantCulture, $"the database is back; the next transfer was booked {TimeProvider.System.GetElapsedTime(back).TotalSeconds:0.0} s later"));
    }

    private static Process Start(BankConsumer.Settings settings)
    {
        var build = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "..", "..", "Broker.Campaigns", build, "Broker.Campaigns.dll"), BankConsumer.Verb]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.WriteLine(JsonConvert.SerializeObject(settings));
        process.StandardInput.Flush();
        return process;
    }

    private IEnumerable<string> Queues(string queue) => Enumerable.Range(0, plan.Partitions).Select(p => PartitionSlot.QueueOf(queue, p, plan.Partitions));

    /// <summary>The first consumer declares the queues, and then binds them. What is published before that comes back.</summary>
    private async Task BoundAsync(IConnection connection, string exchange)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
                // Who reads has bound before.
                var isRead = true;
                foreach (var queue in Queues(exchange))
                    isRead &= (await channel.QueueDeclarePassiveAsync(queue)).ConsumerCount > 0;
                if (isRead || TimeProvider.System.GetElapsedTime(began) > LongestStart)
                    return;
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException) when (TimeProvider.System.GetElapsedTime(began) < LongestStart)
            {
                // None of them is there yet.
            }
            await Task.Delay(100);
        }
    }

    private async Task PublishAsync(IConnection connection, string exchange, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), CancellationToken.None);
        var (confirms, copies) = (new List<Task>(), 0);
        var later = new Queue<(BasicProperties Properties, byte[] Body)>();
        for (var i = 0; i < plan.Messages && !cancellationToken.IsCancellationRequested; i++)
        {
            var (from, to) = (_random.Next(plan.Accounts), _random.Next(plan.Accounts));
            var (always, twice) = (plan.SomeFail && i % 500 == 250, plan.SomeFail && i % 50 == 7);
            var body = Encoding.UTF8.GetBytes(JsonConvert.SerializeObject(new BankConsumer.MoneySent(from, to, _random.Next(1, 100), ++_versions[from], twice, always)));
            var account = string.Create(CultureInfo.InvariantCulture, $"account-{from}");
            var properties = new BasicProperties
            {
                MessageId = Guid.CreateVersion7().ToString(),
                Type = "bank.money-sent.v1",
                DeliveryMode = DeliveryModes.Persistent,
                Headers = new Dictionary<string, object?>
                {
                    ["cloudEvents:partitionkey"] = account,
                    [PartitionSlot.Header] = Partitioner.PartitionOf(account, PartitionSlot.Count).ToString(CultureInfo.InvariantCulture),
                },
            };
            await SendAsync(properties, body);
            // Copies follow at once, or much later among the others.
            for (var copy = _random.Next(MostCopies); copy > 0; copy--, copies++)
            {
                if (_random.Next(2) == 0)
                    await SendAsync(properties, body);
                else
                    later.Enqueue((properties, body));
            }
            while (later.Count > 1_000 || (i == plan.Messages - 1 && later.Count > 0))
            {
                var (oldProperties, oldBody) = later.Dequeue();
                await SendAsync(oldProperties, oldBody);
            }
        }
        await Task.WhenAll(confirms);
        say($"{plan.Messages:N0} transfers published, and {copies:N0} copies");

        async Task SendAsync(BasicProperties properties, byte[] body)
        {
            confirms.Add(channel.BasicPublishAsync(exchange, properties.Type!, mandatory: true, properties, body, CancellationToken.None).AsTask());
            if (confirms.Count < Confirms)
                return;
            await Task.WhenAll(confirms);
            confirms.Clear();
        }
    }

    private async Task KillAsync(List<Process> processes, BankConsumer.Settings settings, CancellationToken cancellationToken)
    {
        var random = new Random(plan.Seed + 1);
        while (true)
        {
            await Task.Delay(plan.Between * (0.2 + (1.6 * random.NextDouble())), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested)
                return;
            var place = random.Next(processes.Count);
            await EndAsync(processes[place]);
            processes[place] = Start(settings);
            _killed++;
        }
    }

    private static async Task EndAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    /// <summary>At every look the bank has the same money: no transaction shows half of a transfer.</summary>
    private async Task WatchTotalAsync(Database database, CancellationToken cancellationToken)
    {
        for (var looks = 0; !cancellationToken.IsCancellationRequested; looks++)
        {
            var total = long.Parse((await database.QueryAsync("SELECT sum(balance) FROM accounts"))[0][0], CultureInfo.InvariantCulture);
            if (total != Balance * plan.Accounts)
                _verdict.Add($"look {looks}: the accounts hold {total}, not {Balance * plan.Accounts}");
            await Task.Delay(50, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task<long> SumAsync(Database database) => long.Parse((await database.QueryAsync("SELECT sum(version) FROM accounts"))[0][0], CultureInfo.InvariantCulture);

    /// <summary>Waits until everything is booked but what waits for an operator, as long as something happens.</summary>
    private async Task BookedAsync(Database database, Func<long, bool> goOn, CancellationToken cancellationToken)
    {
        var (last, since) = (-1L, TimeProvider.System.GetTimestamp());
        while (!cancellationToken.IsCancellationRequested)
        {
            var sum = await SumAsync(database);
            var waiting = await WaitingAsync(database);
            if (sum + waiting >= _versions.Sum() && goOn(waiting))
                return;
            if (sum != last)
                (last, since) = (sum, TimeProvider.System.GetTimestamp());
            if (TimeProvider.System.GetElapsedTime(since) > Patience)
            {
                _verdict.Add($"{sum:N0} of {_versions.Sum():N0} transfers are booked and {waiting:N0} wait for an operator; nothing has happened for {Patience.TotalMinutes:0} minutes");
                return;
            }
            await Task.Delay(200, CancellationToken.None);
        }
    }

    /// <summary>Dead letters, and what waits behind them: of a key with a dead one everything that is deferred.</summary>
    private static async Task<long> WaitingAsync(Database database) => long.Parse(
        (await database.QueryAsync("SELECT count(*) FROM deferred_messages WHERE partition_key IN (SELECT partition_key FROM deferred_messages WHERE state = 'dead')"))[0][0], CultureInfo.InvariantCulture);

    private async Task RedriveAsync(Database database, CancellationToken cancellationToken)
    {
        var desk = new DeadLetterDesk(database.DataSource, database.Dialect, "campaign");
        var waiting = await WaitingAsync(database);
        await database.ExecuteAsync("UPDATE bank SET closed = 0");
        var redriven = 0;
        while (await WaitingAsync(database) > 0 && !cancellationToken.IsCancellationRequested)
        {
            redriven += await desk.RedriveAsync(new DeadLetterDesk.Filter(Consumer: BankConsumer.Name), "the bank is open", cancellationToken);
            await Task.Delay(200, CancellationToken.None);
        }
        // A transfer that fails until the bank is open is the only one that may be dead.
        if (redriven > plan.Messages / 500 + 1)
            _verdict.Add($"{redriven} dead letters, but only one transfer in 500 fails for good");
        say($"{redriven:N0} dead letters redriven, {waiting:N0} transfers had waited with them");
        await BookedAsync(database, left => left == 0, cancellationToken);
    }

    private async Task CheckAsync(Database database)
    {
        var accounts = await database.QueryAsync("SELECT id, version FROM accounts ORDER BY id");
        foreach (var account in accounts)
        {
            var id = int.Parse(account[0], CultureInfo.InvariantCulture);
            if (long.Parse(account[1], CultureInfo.InvariantCulture) != _versions[id])
                _verdict.Add($"account {id}: version {account[1]}, but {_versions[id]} transfers were sent");
        }
        foreach (var wrong in await database.QueryAsync("SELECT account, version FROM wrong_orders"))
            _verdict.Add($"account {wrong[0]}: version {wrong[1]} was booked out of order, or twice");
        foreach (var table in (string[])["dead_letters", "deferred_messages"])
        {
            if (await database.CountAsync(table) is > 0 and var left)
                _verdict.Add($"{left} rows are left in {table}");
        }
        if (await database.CountAsync("inbox_messages") is var known && known != plan.Messages)
            _verdict.Add($"the inbox knows {known} messages of {plan.Messages}");
        _verdict.Count((int)await SumAsync(database));
        say($"{_killed:N0} processes killed");
    }
}

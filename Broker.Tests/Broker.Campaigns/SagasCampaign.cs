using System.Diagnostics;
using System.Globalization;
using System.Text;
using Broker.Relay;
using Newtonsoft.Json;
using Outbox.Sql;
using RabbitMQ.Client;

namespace Broker.Campaigns;

/// <summary>Sagas over three services whose participants refuse, break and do not answer in time, whose messages are copied and come out of order, and whose services and relay are killed: every saga ends, whole or not at all, and nothing that was undone is shown as done.</summary>
internal sealed class SagasCampaign(SagasCampaign.Plan plan, Action<string> say)
{
    private const int Skus = 40;
    private const long PerSku = 1_000_000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(60);

    private readonly Verdict _verdict = Verdict.None;
    private readonly Random _random = new(plan.Seed);
    private readonly Dictionary<string, Database> _databases = [];
    private readonly List<(string Role, Process Process)> _services = [];
    private Worker? _worker;
    private int _killed;

    internal sealed record Plan
    {
        public SqlDialect Dialect { get; init; } = SqlDialect.PostgreSql;

        public int Sagas { get; init; } = 10_000;

        /// <summary>Most sagas that are on their way at once.</summary>
        public int AtOnce { get; init; } = 400;

        /// <summary>Processes of each service.</summary>
        public int Processes { get; init; } = 1;

        /// <summary>The share of messages that are sent once more.</summary>
        public double Copied { get; init; } = 0.1;

        public int Seed { get; init; } = 1;

        /// <summary>The mean time between two kills.</summary>
        public TimeSpan Between { get; init; } = TimeSpan.FromSeconds(8);
    }

    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        using var servers = Servers.Find(Database.ServerOf(plan.Dialect) is { } server ? ["rabbitmq", server] : ["rabbitmq"]);
        var (exchange, rabbitMq) = ($"campaign-{Guid.CreateVersion7():N}", servers["BROKER_TEST_RABBITMQ"]);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            foreach (var role in SagaService.Roles)
                _databases[role] = await Database.CreateAsync(plan.Dialect, servers, partitions: 1);
            await CreateTablesAsync();
            foreach (var role in SagaService.Roles)
            {
                for (var i = 0; i < plan.Processes; i++)
                    _services.Add((role, Start(role, exchange, rabbitMq)));
            }
            await using var connection = await new ConnectionFactory { Uri = new Uri(rabbitMq) }.CreateConnectionAsync(CancellationToken.None);
            await ReadAsync(connection, exchange);
            await using var copier = await MessageCopier.StartAsync(rabbitMq, exchange, plan.Copied, plan.Seed);
            _worker = StartWorker(exchange, rabbitMq);
            var killing = KillAsync(exchange, rabbitMq, end.Token);
            var watching = WatchAsync(end.Token);
            var began = TimeProvider.System.GetTimestamp();
            var placing = PlaceAsync(cancellationToken);
            await EndedAsync(cancellationToken);
            await placing;
            var took = TimeProvider.System.GetElapsedTime(began);
            await copier.SentAsync();
            await end.CancelAsync();
            await killing;
            await watching;
            await AtRestAsync();
            say(string.Create(CultureInfo.InvariantCulture, $"{plan.Sagas:N0} sagas in {took.TotalSeconds:0} s, {copier.Copies:N0} messages copied, {_killed:N0} processes killed"));
            await CheckAsync();
        }
        finally
        {
            await end.CancelAsync();
            foreach (var (_, process) in _services)
                await EndAsync(process);
            if (_worker is not null)
                await _worker.DisposeAsync();
            await DeleteAsync(rabbitMq, exchange);
            foreach (var database in _databases.Values)
                await database.DisposeAsync();
        }
        return _verdict;
    }

    private async Task CreateTablesAsync()
    {
        // A second word on an order would fail here, and show as a dead letter.
        await _databases["orders"].ExecuteAsync("CREATE TABLE shown_orders (id varchar(50) NOT NULL PRIMARY KEY, status varchar(20) NOT NULL)");
        await _databases["bank"].ExecuteAsync("CREATE TABLE bookings (message_id varchar(50) NOT NULL PRIMARY KEY, order_id varchar(50) NOT NULL, amount int NOT NULL)");
        await _databases["stock"].ExecuteAsync("CREATE TABLE items (id int NOT NULL PRIMARY KEY, free bigint NOT NULL, reserved bigint NOT NULL, sold bigint NOT NULL)");
        await _databases["stock"].ExecuteAsync("INSERT INTO items (id, free, reserved, sold) VALUES " + string.Join(", ", Enumerable.Range(0, Skus).Select(id => string.Create(CultureInfo.InvariantCulture, $"({id}, {PerSku}, 0, 0)"))));
    }

    private Process Start(string role, string exchange, string rabbitMq)
    {
        var build = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "..", "..", "Broker.Campaigns", build, "Broker.Campaigns.dll"), SagaService.Verb]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, line) => Heard(role, line.Data);
        process.ErrorDataReceived += (_, line) => Heard(role, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.WriteLine(JsonConvert.SerializeObject(new SagaService.Settings(role, rabbitMq, exchange, plan.Dialect.Name, _databases[role].ConnectionString, plan.Seed)));
        process.StandardInput.Flush();
        return process;
    }

    private void Heard(string role, string? line)
    {
        if (line is not null && (line.StartsWith("crit:", StringComparison.Ordinal) || line.Contains("Unhandled", StringComparison.Ordinal)))
            say($"{role}: {line}");
    }

    private Worker StartWorker(string exchange, string rabbitMq) => Worker.Start("relay", new
    {
        RabbitMq = new { Uri = rabbitMq },
        Exchange = exchange,
        Relay = new { LeaseDuration = "00:00:02" },
        Sources = _databases.ToDictionary(d => d.Key, d => new { Database = plan.Dialect.Name, d.Value.ConnectionString }),
    });

    /// <summary>Waits until all queues are read: what is published before that comes back.</summary>
    private static async Task ReadAsync(IConnection connection, string exchange)
    {
        var began = TimeProvider.System.GetTimestamp();
        foreach (var queue in SagaService.QueuesOf(exchange))
        {
            while (true)
            {
                try
                {
                    await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
                    if (await channel.ConsumerCountAsync(queue) > 0)
                        break;
                }
                catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
                {
                    // It is not there yet.
                }
                if (TimeProvider.System.GetElapsedTime(began) > LongestStart)
                    throw new InvalidOperationException($"Nobody reads {queue} after {LongestStart.TotalSeconds:0} s.");
                await Task.Delay(100);
            }
        }
    }

    /// <summary>Orders are placed, a transaction for a hundred, as long as not too many are on their way.</summary>
    private async Task PlaceAsync(CancellationToken cancellationToken)
    {
        foreach (var orders in Enumerable.Range(1, plan.Sagas).Chunk(100))
        {
            // All at once, every payment would wait longer than it may: then nothing but time-outs is tried.
            while (!cancellationToken.IsCancellationRequested && orders[0] - await _databases["orders"].CountAsync("sagas WHERE status IN ('completed', 'compensated')") > plan.AtOnce)
                await Task.Delay(100, CancellationToken.None);
            await using var connection = await _databases["orders"].DataSource.OpenConnectionAsync(CancellationToken.None);
            await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
            foreach (var order in orders)
            {
                var body = JsonConvert.SerializeObject(new { order = OrderOf(order), sku = _random.Next(Skus) });
                await connection.Command("INSERT INTO outbox_messages (message_id, type, body) VALUES (@id, 'campaign.order-placed.v1', @body)", transaction).With("id", Guid.CreateVersion7()).With("body", Encoding.UTF8.GetBytes(body)).ExecuteAsync(CancellationToken.None);
            }
            await transaction.CommitAsync(CancellationToken.None);
        }
    }

    private static string OrderOf(int number) => string.Create(CultureInfo.InvariantCulture, $"order-{number}");

    private async Task KillAsync(string exchange, string rabbitMq, CancellationToken cancellationToken)
    {
        var random = new Random(plan.Seed + 1);
        while (true)
        {
            await Task.Delay(plan.Between * (0.2 + (1.6 * random.NextDouble())), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested)
                return;
            var place = random.Next(_services.Count + 1);
            if (place == _services.Count)
            {
                await _worker!.KillAsync();
                await _worker.DisposeAsync();
                _worker = StartWorker(exchange, rabbitMq);
            }
            else
            {
                var (role, process) = _services[place];
                await EndAsync(process);
                _services[place] = (role, Start(role, exchange, rabbitMq));
            }
            _killed++;
        }
    }

    private static async Task EndAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    /// <summary>At every look the shelves hold the same, free, reserved or sold, and no order is shown as confirmed whose saga does not say so.</summary>
    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        for (var looks = 1; !cancellationToken.IsCancellationRequested; looks++)
        {
            var total = long.Parse((await _databases["stock"].QueryAsync("SELECT sum(free + reserved + sold) FROM items"))[0][0], CultureInfo.InvariantCulture);
            if (total != PerSku * Skus)
                _verdict.Add($"look {looks}: the shelves hold {total}, not {PerSku * Skus}");
            var wrong = await _databases["orders"].QueryAsync("SELECT o.id, o.status, s.status FROM shown_orders o JOIN sagas s ON s.id = o.id WHERE (o.status = 'confirmed' AND s.status <> 'completed') OR (o.status = 'rejected' AND s.status <> 'compensated')");
            _verdict.AddRange(wrong.Select(w => $"look {looks}: {w[0]} is shown as {w[1]}, and its saga is {w[2]}"));
            await Task.Delay(500, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Waits until every saga has ended, as long as something happens. What is parked a person retries.</summary>
    private async Task EndedAsync(CancellationToken cancellationToken)
    {
        var (orders, last, since, retried, told) = (_databases["orders"], "", TimeProvider.System.GetTimestamp(), 0, TimeProvider.System.GetTimestamp());
        var desk = new SagaDesk(orders.DataSource, orders.Dialect, "campaign");
        while (!cancellationToken.IsCancellationRequested)
        {
            var counts = (await orders.QueryAsync("SELECT status, count(*) FROM sagas GROUP BY status")).ToDictionary(r => r[0], r => int.Parse(r[1], CultureInfo.InvariantCulture));
            var shown = await orders.CountAsync("shown_orders");
            if (counts.GetValueOrDefault("completed") + counts.GetValueOrDefault("compensated") == plan.Sagas && shown == plan.Sagas)
            {
                say($"{retried:N0} parked sagas retried");
                return;
            }
            foreach (var parked in await desk.ListAsync(new SagaDesk.Filter(Status: "parked"), before: null, 500, cancellationToken))
            {
                if (TimeProvider.System.GetUtcNow() - parked.UpdatedAt < TimeSpan.FromSeconds(3))
                    continue;
                await desk.RetryAsync(parked.Type, parked.Id, "the campaign's operator", cancellationToken);
                retried++;
            }
            var now = $"{string.Join(", ", counts.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Value:N0} {c.Key}"))}; {shown:N0} shown";
            if (now != last)
                (last, since) = (now, TimeProvider.System.GetTimestamp());
            if (TimeProvider.System.GetElapsedTime(told) > TimeSpan.FromSeconds(15))
            {
                say(now);
                told = TimeProvider.System.GetTimestamp();
            }
            if (TimeProvider.System.GetElapsedTime(since) > Patience)
            {
                _verdict.Add($"{now}, of {plan.Sagas:N0}; nothing has happened for {Patience.TotalMinutes:0} minutes");
                return;
            }
            await Task.Delay(500, CancellationToken.None);
        }
    }

    /// <summary>What is late has come, too: copies that were held back, and time-outs, which change nothing any more.</summary>
    private async Task AtRestAsync()
    {
        var (last, since) = ("", TimeProvider.System.GetTimestamp());
        while (TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(5))
        {
            var now = "";
            foreach (var database in _databases.Values)
                now += $"{await database.CountAsync("outbox_messages")}/{await database.CountAsync("outbox_scheduled")}/{await database.CountAsync("deferred_messages")}/{await database.CountAsync("inbox_messages")};";
            if (now != last)
                (last, since) = (now, TimeProvider.System.GetTimestamp());
            await Task.Delay(250);
        }
    }

    private async Task CheckAsync()
    {
        var sagas = await _databases["orders"].QueryAsync("SELECT s.id, s.status, o.status FROM sagas s LEFT JOIN shown_orders o ON o.id = s.id");
        foreach (var saga in sagas.Where(s => (s[1], s[2]) is not (("completed", "confirmed") or ("compensated", "rejected"))).Take(20))
            _verdict.Add($"{saga[0]}: the saga is {saga[1]}, shown as '{saga[2]}'");
        if (sagas.Count != plan.Sagas)
            _verdict.Add($"{sagas.Count:N0} sagas of {plan.Sagas:N0} orders");
        var done = sagas.Where(s => s[1] == "completed").Select(s => s[0]).ToHashSet();
        var items = (await _databases["stock"].QueryAsync("SELECT sum(free), sum(reserved), sum(sold) FROM items"))[0].Select(n => long.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        if (items[0] + items[1] + items[2] != PerSku * Skus || items[1] != 0 || items[2] != done.Count)
            _verdict.Add($"{done.Count:N0} sagas are completed; {items[2]:N0} pieces are sold, {items[1]:N0} reserved and {items[0]:N0} free");
        foreach (var paid in (await _databases["bank"].QueryAsync("SELECT order_id, sum(amount) FROM bookings GROUP BY order_id")).Where(p => (p[1] == "1") != done.Contains(p[0]) || p[1] is not ("0" or "1")).Take(20))
            _verdict.Add($"{paid[0]}: {paid[1]} payments, and the saga is {(done.Contains(paid[0]) ? "completed" : "not completed")}");
        var paidFor = long.Parse((await _databases["bank"].QueryAsync("SELECT coalesce(sum(amount), 0) FROM bookings"))[0][0], CultureInfo.InvariantCulture);
        if (paidFor != done.Count)
            _verdict.Add($"{paidFor:N0} payments are kept for {done.Count:N0} completed sagas");
        foreach (var role in SagaService.Roles)
        {
            // What the bank does not understand is a dead letter of its own making.
            var dead = await _databases[role].CountAsync(role == "bank" ? "dead_letters WHERE reason NOT LIKE 'The bank does not understand%'" : "dead_letters");
            var deferred = await _databases[role].CountAsync("deferred_messages");
            if (dead + deferred > 0)
            {
                var reasons = await _databases[role].QueryAsync("SELECT reason, count(*) FROM dead_letters GROUP BY reason");
                _verdict.Add($"{role}: {dead} dead letters, {deferred} deferred messages. {string.Join("; ", reasons.Select(r => $"{r[1]} × {r[0]}"))}");
            }
        }
        var events = await _databases["orders"].QueryAsync("SELECT step, operation, event, count(*) FROM saga_steps WHERE step IS NOT NULL GROUP BY step, operation, event ORDER BY step, operation, event");
        say(string.Join(", ", events.Where(e => e[2] is not ("sent" or "done")).Select(e => $"{e[0]} {e[1]} {e[2]} {e[3]}")));
        say($"{done.Count:N0} completed, {sagas.Count - done.Count:N0} compensated");
        _verdict.Count(sagas.Count);
    }

    private static async Task DeleteAsync(string rabbitMq, string exchange)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(rabbitMq) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        foreach (var queue in SagaService.QueuesOf(exchange))
        {
            await channel.QueueDeleteAsync(queue);
            await channel.QueueDeleteAsync(queue + ".dead");
        }
        await channel.ExchangeDeleteAsync(exchange);
    }
}

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Broker.Bench;
using Broker.Dashboard.Security;
using Broker.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Benchmarks;

/// <summary><c>dashboard</c>: how fast the pages answer with a large database behind them, and what open tabs cost the source. PostgreSQL.</summary>
internal static class DashboardBenchmark
{
    private const int Chunk = 1_000_000;
    private const string Password = "benchmark";

    private sealed record Settings(int Rows, int Letters, int Tabs, int Seconds, int Requests);

    public static Command Command()
    {
        var rows = BenchOptions.Number("--rows", "Rows in the archive, and in the inbox.", 10_000_000);
        var letters = BenchOptions.Number("--letters", "Dead letters.", 100_000);
        var tabs = BenchOptions.Number("--tabs", "Open tabs with the overview.", 10);
        var seconds = BenchOptions.Number("--seconds", "For how long the queries of the open tabs are counted.", 60);
        var requests = BenchOptions.Number("--requests", "Requests for each page.", 200);
        var command = new Command("dashboard", "Times of the dashboard's pages on a large database, and the transactions a second that open tabs cause. PostgreSQL.") { rows, letters, tabs, seconds, requests };
        command.SetAction((parsed, cancellationToken) => MeasureAsync(
            new Settings(parsed.GetValue(rows), parsed.GetValue(letters), parsed.GetValue(tabs), parsed.GetValue(seconds), parsed.GetValue(requests)), cancellationToken));
        return command;
    }

    private static async Task MeasureAsync(Settings settings, CancellationToken cancellationToken)
    {
        await using var database = await BenchDatabase.FindAsync(SqlDialect.PostgreSql.Name);
        await FillAsync(database, settings, cancellationToken);
        var (host, url) = await ServeAsync(database, cancellationToken);
        using (host)
        {
            using var browser = new HttpClient(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = new Uri(url) };
            browser.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ada:{Password}")));
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await browser.GetStringAsync("/dashboard/broker", cancellationToken);

            var tabs = Enumerable.Range(0, settings.Tabs).Select(_ => WatchAsync(browser, stop.Token)).ToList();
            await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
            var (before, start) = (await TransactionsAsync(database, cancellationToken), TimeProvider.System.GetTimestamp());
            await Task.Delay(TimeSpan.FromSeconds(settings.Seconds), cancellationToken);
            var (after, elapsed) = (await TransactionsAsync(database, cancellationToken), TimeProvider.System.GetElapsedTime(start));
            AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{settings.Tabs} open tabs: {(after - before) / elapsed.TotalSeconds:0.00} transactions a second on the source"));

            var table = new Table().AddColumns("page", "p50 ms", "p95 ms", "longest ms", "KiB");
            foreach (var (name, path) in await PagesAsync(database, cancellationToken))
                await TimeAsync(browser, name, path, settings.Requests, table, cancellationToken);
            AnsiConsole.Write(table);
            await stop.CancelAsync();
            await Task.WhenAll(tabs).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await host.StopAsync(CancellationToken.None);
        }
    }

    /// <summary>Ids rise, as those that the library makes do.</summary>
    private static async Task FillAsync(BenchDatabase database, Settings settings, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        for (var done = 0; done < settings.Rows; done += Chunk)
        {
            var span = string.Create(CultureInfo.InvariantCulture, $"generate_series({done + 1}, {Math.Min(done + Chunk, settings.Rows)}) AS g");
            await database.ExecuteAsync(
                $"""
                INSERT INTO outbox_archive (sequence, message_id, partition, partition_key, type, content_type, body, created_at, published_at)
                SELECT g, lpad(to_hex(g), 32, '0')::uuid, 0, 'order-' || g % 100000, 'shop.order-placed.v' || g % 20, 'application/json', '\x7b7d', clock_timestamp() - g * interval '1 ms', clock_timestamp() - g * interval '1 ms' FROM {span};
                INSERT INTO inbox_messages (consumer, message_id, received_at) SELECT 'consumer-' || g * 5 / {settings.Rows + 1}, lpad(to_hex(g), 32, '0')::uuid, clock_timestamp() - g * interval '1 ms' FROM {span}
                """, cancellationToken: cancellationToken);
            AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Math.Min(done + Chunk, settings.Rows):N0} rows after {watch.Elapsed.TotalSeconds:0} s"));
        }
        await database.ExecuteAsync(
            $"""
            INSERT INTO dead_letters (side, consumer, source, message_id, original_id, type, partition_key, headers, content_type, body, reason, error, attempts, state, first_failed_at, last_failed_at)
            SELECT 'consumer', 'consumer-' || g % 5, 'shop', lpad(to_hex(g), 32, '0')::uuid, g::text, 'shop.order-placed.v' || g % 20, 'order-' || g, NULL, 'application/json', convert_to('{"{"}"sku":"' || repeat('x', 1000) || '"{"}"}', 'UTF8'),
                'Item ' || g % 1000 || ' is not in the catalogue.', repeat('at Shop.Stock ', 40), 5, CASE WHEN g % 10 = 0 THEN 'blocking' ELSE 'dead' END, clock_timestamp() - (g % 1000) * interval '1 min', clock_timestamp() - (g % 777) * interval '1 min'
            FROM generate_series(1, {settings.Letters}) AS g;
            INSERT INTO deferred_messages (consumer, message_id, partition_key, type, body, state, attempts, reason, next_attempt_at)
            SELECT 'consumer-' || g % 5, lpad(to_hex(g), 32, '0')::uuid, 'order-' || g, 'shop.order-placed.v1', '\x7b7d', 'failed', 1, 'deadlock victim', clock_timestamp() + interval '1 min' FROM generate_series(1, {settings.Letters / 5}) AS g;
            INSERT INTO dead_letter_actions (dead_letter_id, side, consumer, message_id, action, actor, reason) SELECT g, 'consumer', 'consumer-1', lpad(to_hex(g), 32, '0')::uuid, 'redriven', 'ada', 'mended' FROM generate_series(1, {settings.Letters}) AS g;
            INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, updated_at)
            SELECT 'checkout', 'order-' || g, CASE WHEN g % 100 = 0 THEN 'parked' WHEN g % 10 = 0 THEN 'running' ELSE 'completed' END, 'pay', 'action', 2, 1, 3, '{"{}"}', clock_timestamp() - g * interval '1 s' FROM generate_series(1, {settings.Letters}) AS g;
            INSERT INTO saga_steps (type, id, number, step, operation, event, attempt) SELECT 'checkout', 'order-' || (g - 1) / 3 + 1, (g - 1) % 3 + 1, 'pay', 'action', 'sent', 1 FROM generate_series(1, 3 * {settings.Letters}) AS g;
            INSERT INTO leases (name, owner, token, expires_at, acquired_at) SELECT 'lock/customer-' || g, 'node-' || g % 7, g, clock_timestamp() + interval '1 h', clock_timestamp() FROM generate_series(1, 1000) AS g;
            INSERT INTO transaction_decisions (transaction_id, coordinator, decision, decided_by, branches, decided_at, outcome, finished_at)
            SELECT 'obx.transfers.abc123.1.t0.' || lpad(to_hex(g), 25, '0'), 'transfers', 'commit', 'node-1', '[{"{"}"name":"shop","vote":"yes"{"}"}]', clock_timestamp() - g * interval '1 s', 'committed', clock_timestamp() FROM generate_series(1, {settings.Letters}) AS g;
            INSERT INTO outbox_messages (message_id, type, body) SELECT lpad(to_hex(g), 32, '0')::uuid, 'shop.order-placed.v' || g % 20, '\x7b7d' FROM generate_series(1, {settings.Letters}) AS g;
            """, cancellationToken: cancellationToken);
        await database.ExecuteAsync("VACUUM ANALYZE", cancellationToken: cancellationToken);
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"filled after {watch.Elapsed.TotalSeconds:0} s"));
    }

    private static async Task<(IHost Host, string Url)> ServeAsync(BenchDatabase database, CancellationToken cancellationToken)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Broker:Http:Urls"] = "http://127.0.0.1:0",
            ["Broker:Sources:shop:Database"] = database.Dialect.Name,
            ["Broker:Sources:shop:ConnectionString"] = database.ConnectionString,
            ["Broker:Coordinators:transfers:Participants"] = "shop",
            ["Broker:Dashboard:Users:ada:PasswordHash"] = PasswordHash.Of(Password),
            ["Broker:Dashboard:Users:ada:Role"] = DashboardRoles.Operator,
        }).Build();
        var host = WorkerHost.Build(configuration, BrokerConfiguration.Read(configuration, needsRabbitMq: false), HostConfiguration.Read(configuration, "dashboard", urls: null), file: null, ConfigurationReload.ContentsOf(null));
        await host.StartAsync(cancellationToken);
        return (host, host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>An open tab: it asks again every two seconds, as its script does.</summary>
    private static async Task WatchAsync(HttpClient browser, CancellationToken cancellationToken)
    {
        while (true)
        {
            await browser.GetStringAsync("/dashboard/broker/live/overview", cancellationToken);
            await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
        }
    }

    private static async Task<IReadOnlyList<(string Name, string Path)>> PagesAsync(BenchDatabase database, CancellationToken cancellationToken)
    {
        const string root = "/dashboard/broker";
        const string letters = root + "/dead-letters?source=shop";
        var letter = await database.ScalarAsync("SELECT max(id) / 2 FROM dead_letters", cancellationToken);
        var deep = DateTime.UnixEpoch.Ticks;
        return
        [
            ("overview", root), ("overview, refreshed", root + "/live/overview"), ("source", root + "/sources/shop"), ("dead letters", letters), ("… a page in their midst", string.Create(CultureInfo.InvariantCulture, $"{letters}&from={letter}.{deep}")),
            ("… of a type", letters + "&type=shop.order-placed.v7"), ("… of a key", letters + "&key=order-4711"), ("… by text of the reason", letters + "&text=item+777+is"), ("… that nothing fits", letters + "&text=nothing"),
            ("… by the last failure", letters + "&order=failed-last"), ("dead letter", string.Create(CultureInfo.InvariantCulture, $"{root}/dead-letters/shop/{letter}")), ("deferred", root + "/deferred?source=shop"), ("inbox", root + "/inbox?source=shop"),
            ("message", root + "/message?id=00000000-0000-0000-0000-000000400000"), ("audit log", root + "/audit"),
            ("sagas", root + "/sagas?source=shop"), ("… that are parked", root + "/sagas?source=shop&status=parked"), ("saga", root + "/sagas/shop/checkout?id=order-4711"), ("transactions", root + "/transactions"), ("locks", root + "/locks?source=shop"),
        ];
    }

    private static async Task TimeAsync(HttpClient browser, string name, string path, int requests, Table table, CancellationToken cancellationToken)
    {
        var (times, size) = (new List<double>(), 0);
        for (var i = 0; i < requests + 5; i++)
        {
            var watch = Stopwatch.StartNew();
            size = (await browser.GetByteArrayAsync(path, cancellationToken)).Length;
            // The first ones compile.
            if (i >= 5)
                times.Add(watch.Elapsed.TotalMilliseconds);
        }
        times.Sort();
        string Number(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);
        table.AddRow(name, Number(times[times.Count / 2]), Number(times[times.Count * 95 / 100]), Number(times[^1]), Number(size / 1_024.0));
    }

    /// <summary>What the database's sessions have committed and rolled back so far: without explicit transactions, one for each statement.</summary>
    private static async Task<long> TransactionsAsync(BenchDatabase database, CancellationToken cancellationToken) =>
        await database.ScalarAsync("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()", cancellationToken);
}

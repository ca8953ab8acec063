using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Outbox.Diagnostics;
using Outbox.RabbitMQ;
using Outbox.Sql;
using RabbitMQ.Client;
using Spectre.Console;

namespace Broker.Benchmarks;

/// <summary><c>relay</c>: how fast the relay empties a PostgreSQL outbox into a quorum queue, as a ratio to the raw confirmed publish rate. Pairs of runs alternate, because the machine's speed changes from minute to minute.</summary>
internal static class RelayBenchmark
{
    private const string Type = "bench.message-written.v1";

    private sealed record Settings(string RabbitMq, string PostgreSql, int Messages, int Bytes, int Keys, int Pairs);

    public static Command Command()
    {
        var rabbitMq = new Option<string?>("--rabbitmq") { Description = "AMQP URI. Default: BROKER_TEST_RABBITMQ, or the one of docker/servers.sh, started if need be." };
        var postgres = new Option<string?>("--postgres") { Description = "Connection string of a server where a database may be created. Default: BROKER_TEST_POSTGRES, or the one of docker/servers.sh." };
        var messages = new Option<int>("--messages") { Description = "Messages of each run.", DefaultValueFactory = _ => 100_000 };
        var bytes = new Option<int>("--bytes") { Description = "Bytes of each body.", DefaultValueFactory = _ => 1_024 };
        var keys = new Option<int>("--keys") { Description = "Partition keys; 0 for none.", DefaultValueFactory = _ => 0 };
        var pairs = new Option<int>("--pairs") { Description = "Pairs of runs; the first one warms up and does not count.", DefaultValueFactory = _ => 5 };
        var command = new Command("relay", "Relay rate over raw confirmed publish rate.") { rabbitMq, postgres, messages, bytes, keys, pairs };
        command.SetAction(async (parsed, _) =>
        {
            using var servers = BenchmarkServers.Find(("rabbitmq", parsed.GetValue(rabbitMq)), ("postgres", parsed.GetValue(postgres)));
            return await RunAsync(new Settings(servers["rabbitmq"], servers["postgres"], parsed.GetValue(messages), parsed.GetValue(bytes), parsed.GetValue(keys), parsed.GetValue(pairs)));
        });
        return command;
    }

    private static async Task<int> RunAsync(Settings settings)
    {
        var name = $"bench_{Guid.CreateVersion7():N}";
        await using var server = NpgsqlDataSource.Create(settings.PostgreSql);
        await using (var create = server.CreateCommand($"CREATE DATABASE {name}"))
            await create.ExecuteNonQueryAsync();
        var uri = new Uri(settings.RabbitMq);
        await using var connection = await new ConnectionFactory { Uri = uri }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            await channel.ExchangeDeclareAsync(name, ExchangeType.Topic, durable: true);
            await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
            await channel.QueueBindAsync(name, name, Type);
            // As the worker makes it.
            await using var database = (NpgsqlDataSource)DataSources.Create(SqlDialect.PostgreSql, new NpgsqlConnectionStringBuilder(settings.PostgreSql) { Database = name }.ConnectionString);
            await ExecuteAsync(database, SqlDialect.PostgreSql.CreateTables);
            return await MeasureAsync(settings, uri, name, database, channel);
        }
        finally
        {
            await channel.QueueDeleteAsync(name);
            await channel.ExchangeDeleteAsync(name);
            NpgsqlConnection.ClearAllPools();
            await using var drop = server.CreateCommand($"DROP DATABASE {name} WITH (FORCE)");
            await drop.ExecuteNonQueryAsync();
        }
    }

    private static async Task<int> MeasureAsync(Settings settings, Uri uri, string name, NpgsqlDataSource database, IChannel channel)
    {
        var table = new Table().AddColumns("pair", "raw publish msg/s", "relay msg/s", "relay / raw", "relay CPU µs/msg", "raw CPU µs/msg");
        var ratios = new List<double>();
        for (var pair = 0; pair <= settings.Pairs; pair++)
        {
            var body = new byte[settings.Bytes];
            Random.Shared.NextBytes(body);
            var rawCpu = Environment.CpuUsage.TotalTime;
            var raw = settings.Messages / (await RawPublisher.RunAsync(uri, name, Type, body, settings.Messages)).TotalSeconds;
            rawCpu = Environment.CpuUsage.TotalTime - rawCpu;
            await EmptyAsync(channel, name, settings.Messages);

            await FillAsync(database, settings);
            var relayCpu = Environment.CpuUsage.TotalTime;
            var relay = settings.Messages / (await RelayAsync(uri, name, database, settings.Messages)).TotalSeconds;
            relayCpu = Environment.CpuUsage.TotalTime - relayCpu;
            await EmptyAsync(channel, name, settings.Messages);

            if (pair > 0)
                ratios.Add(relay / raw);
            string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
            table.AddRow(pair == 0 ? "warm-up" : Number(pair, "0"), Number(raw, "N0"), Number(relay, "N0"), Number(relay / raw, "0.00"),
                Number(relayCpu.TotalMicroseconds / settings.Messages, "0.0"), Number(rawCpu.TotalMicroseconds / settings.Messages, "0.0"));
        }
        AnsiConsole.Write(table);
        ratios.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"relay / raw = {ratios[ratios.Count / 2]:0.00} (median of {ratios.Count}, {ratios[0]:0.00} to {ratios[^1]:0.00}; PostgreSQL, quorum queue, {settings.Messages:N0} messages of {settings.Bytes:N0} bytes, {settings.Keys:N0} keys)"));
        return 0;
    }

    /// <summary>The whole of it: lease, read, publish, confirm, delete, until no row is left.</summary>
    private static async Task<TimeSpan> RelayAsync(Uri uri, string exchange, NpgsqlDataSource database, int count)
    {
        await using var transport = new RabbitMqTransport(new RabbitMqOptions { Uri = uri }, NullLoggerFactory.Instance, TimeProvider.System);
        var source = new RelaySource { Name = "bench", Dialect = SqlDialect.PostgreSql, DataSource = database, Transport = transport, Exchange = exchange };
        using var stop = new CancellationTokenSource();
        var settled = new SettledCounter(count);
        var start = TimeProvider.System.GetTimestamp();
        var relay = new SourceRelay(source, "bench", TimeProvider.System, NullLogger.Instance, StepSignals.None).RunAsync(stop.Token);
        await Task.WhenAny(settled.Reached, relay);
        var elapsed = TimeProvider.System.GetElapsedTime(start);
        await stop.CancelAsync();
        await relay;
        settled.Dispose();
        await using var left = database.CreateCommand("SELECT count(*) FROM outbox_messages");
        var rows = (long)(await left.ExecuteScalarAsync())!;
        return rows == 0 ? elapsed : throw new InvalidOperationException($"{rows} rows are left in the outbox.");
    }

    private static async Task FillAsync(NpgsqlDataSource database, Settings settings)
    {
        await using var fill = database.CreateCommand(
            """
            INSERT INTO outbox_messages (message_id, partition_key, type, body)
            SELECT gen_random_uuid(), CASE WHEN $1 = 0 THEN NULL ELSE 'key-' || (random() * ($1 - 1))::int END, $2, decode(repeat('61', $3), 'hex') FROM generate_series(1, $4)
            """);
        fill.Parameters.Add(new NpgsqlParameter { Value = settings.Keys });
        fill.Parameters.Add(new NpgsqlParameter { Value = Type });
        fill.Parameters.Add(new NpgsqlParameter { Value = settings.Bytes });
        fill.Parameters.Add(new NpgsqlParameter { Value = settings.Messages });
        await fill.ExecuteNonQueryAsync();
        await ExecuteAsync(database, "CHECKPOINT");
    }

    private static async Task EmptyAsync(IChannel channel, string queue, int expected)
    {
        var held = await channel.QueuePurgeAsync(queue);
        if (held < expected)
            throw new InvalidOperationException($"The queue held {held} messages; {expected} were confirmed.");
    }

    private static async Task ExecuteAsync(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}

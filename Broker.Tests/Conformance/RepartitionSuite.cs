using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Diagnostics;
using Outbox.Locks;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;
using Partitioner = Outbox.Messages.Partitioner;

namespace Broker.Tests.Conformance;

/// <summary>The number of partitions changes under load, and nothing is lost, doubled or overtaken. An engine's class derives from this one and adds nothing.</summary>
// Most of its time is waiting for writers to learn the new number, and nothing but the machine is shared.
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal abstract class RepartitionSuite(SqlDialect dialect)
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan LeaseDuration = TimeSpan.FromSeconds(3);

    private readonly ConcurrentQueue<(Guid Id, string Key, int Version)> _arrived = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _relays = [];
    private readonly TestLog _log = new();
    private TestDatabase _database = null!;
    private InMemoryTransport _transport = null!;

    /// <summary>A database with the tables.</summary>
    protected virtual Task<TestDatabase> CreateDatabaseAsync() => TestDatabase.CreateAsync(dialect);

    [SetUp]
    public async Task Prepare()
    {
        _database = await CreateDatabaseAsync();
        _transport = new InMemoryTransport();
        await _transport.SubscribeAsync(new SubscriptionOptions { Queue = "all", Exchange = "events", Types = ["tests.version.v1"], Prefetch = 1_000 }, async (delivery, _) =>
        {
            _arrived.Enqueue((Guid.Parse(delivery.MessageId!), delivery.Headers[MessageHeaders.PartitionKey], int.Parse(Encoding.UTF8.GetString(delivery.Body.Span), CultureInfo.InvariantCulture)));
            await delivery.AcceptAsync();
        }, None);
    }

    [TearDown]
    public async Task Close()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_relays);
        if (_transport is not null)
            await _transport.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
        _stop.Dispose();
    }

    [Test]
    public async Task Nothing_is_lost_and_no_key_loses_its_order_when_the_number_changes_under_load()
    {
        await _database.SetPartitionsAsync(4);
        StartRelays(2);
        using var end = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 3).Select(writer => Task.Run(() => WriteAsync(writer, end.Token))).ToList();
        await Eventually.IsTrueAsync(() => Task.FromResult(_arrived.Count > 50), "the relays publish what is written");

        foreach (var partitions in (int[])[8, 3])
        {
            var before = _arrived.Count;
            await ChangeAsync(partitions);
            Assert.That(await SettingsAsync(), Is.EqualTo((partitions, 0)));
            await Eventually.IsTrueAsync(() => Task.FromResult(_arrived.Count > before + 50), "publishing goes on");
        }
        await end.CancelAsync();
        var written = (await Task.WhenAll(writers)).SelectMany(w => w).ToDictionary();

        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all is published", TimeSpan.FromSeconds(60));
        AssertInOrder(written);
    }

    [Test]
    public async Task A_relay_ends_a_change_that_somebody_left_behind([Values] bool isTurned)
    {
        // What a dead process leaves: its leases, and the state after its last step. Rows lie as they were written by the old number.
        await _database.SetPartitionsAsync(4);
        var written = await InsertAsync(keys: 20, versions: 5, partitions: 4);
        await _database.ExecuteAsync(isTurned ? "UPDATE outbox_settings SET partitions = 3, next_partitions = -4" : "UPDATE outbox_settings SET next_partitions = 3");
        var leases = new DatabaseLeases(_database.DataSource, dialect, TimeProvider.System);
        foreach (var name in (string[])[Repartitioning.LeaseName, "relay/0", "relay/3"])
            await (await leases.TryAcquireAsync(name, "dead", TimeSpan.FromSeconds(1), None))!.AbandonAsync();

        StartRelays(2);

        await Eventually.EqualsAsync(SettingsAsync, (3, 0), "a relay has ended it", TimeSpan.FromSeconds(60));
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all is published", TimeSpan.FromSeconds(60));
        AssertInOrder(written);
        Assert.That(_log.Entries.Count(e => e.Id == 3005), Is.EqualTo(1), "one of them");
    }

    [Test]
    public async Task Rows_of_all_kinds_find_their_new_partitions_and_rows_written_by_hand_stay_where_they_are()
    {
        await _database.SetPartitionsAsync(8);
        await InsertAsync(keys: 40, versions: 1, partitions: 8);
        var byHand = Enumerable.Range(100, 100).Select(k => $"key-{k}").First(k => Partitioner.PartitionOf(k, 8) != 0 && Partitioner.PartitionOf(k, 3) != 0);
        await _database.InsertAsync("tests.version.v1", byHand);
        await _database.InsertAsync("tests.version.v1");
        await _database.ExecuteAsync($"INSERT INTO outbox_scheduled ({_database.Partition}, not_before, sequence, message_id, partition_key, type, content_type, body, created_at) SELECT {_database.Partition}, created_at, sequence, message_id, partition_key, type, content_type, body, created_at FROM outbox_messages");
        await _database.ExecuteAsync($"INSERT INTO dead_letters (side, message_id, partition_key, body, reason, attempts, {_database.Partition}, sequence) SELECT 'relay', message_id, partition_key, body, 'refused', 3, {_database.Partition}, sequence FROM outbox_messages");

        await ChangeAsync(3);

        foreach (var table in (string[])["outbox_messages", "outbox_scheduled", "dead_letters"])
        {
            var rows = await _database.QueryAsync($"SELECT partition_key, {_database.Partition} FROM {table}");
            Assert.That(rows, Has.Count.EqualTo(42));
            Assert.That(rows.Select(r => r[1]), Is.EqualTo(rows.Select(r => r[0] == byHand ? "0" : $"{Partitioner.PartitionOf(r[0], 3)}")), table);
        }
    }

    [Test]
    public async Task A_second_number_is_refused_while_the_first_change_goes_on_and_the_same_number_ends_it()
    {
        await _database.ExecuteAsync("UPDATE outbox_settings SET next_partitions = 8");

        var refused = Assert.ThrowsAsync<OutboxConfigurationException>(() => ChangeAsync(5));
        Assert.That(refused!.Message, Does.Contain("--set-partitions 8"));
        await ChangeAsync(8);

        Assert.That(await SettingsAsync(), Is.EqualTo((8, 0)));
    }

    [Test]
    public async Task Who_has_lost_the_lease_changes_nothing()
    {
        // G5: all of its statements name its token.
        var leases = new DatabaseLeases(_database.DataSource, dialect, TimeProvider.System);
        var lease = await leases.TryAcquireAsync(Repartitioning.LeaseName, "me", TimeSpan.FromMinutes(1), None);
        await lease!.AbandonAsync();
        await InsertAsync(keys: 5, versions: 1, partitions: 1);
        await _database.ExecuteAsync("UPDATE leases SET token = token + 1");

        await using var connection = await _database.DataSource.OpenConnectionAsync();
        DbCommand Command(string sql) => connection.Command(sql).With("lease", Repartitioning.LeaseName).With("token", lease.Token);
        var sequences = (await _database.QueryAsync("SELECT sequence FROM outbox_messages")).Select(r => long.Parse(r[0]!, CultureInfo.InvariantCulture)).ToList();

        Assert.That(await Command(dialect.PlanPartitions).With("partitions", (short)4).ExecuteAsync(None), Is.Zero);
        await _database.ExecuteAsync("UPDATE outbox_settings SET next_partitions = 4");
        Assert.That(await Command(dialect.TurnPartitions).With("partitions", (short)4).With("old", (short)1).ExecuteAsync(None), Is.Zero);
        await _database.ExecuteAsync("UPDATE outbox_settings SET partitions = 4, next_partitions = -1");
        Assert.That(await Command(dialect.EndPartitions).With("old", (short)1).ExecuteAsync(None), Is.Zero);
        await Command(dialect.MoveMessages).With("partition", (short)0).With("target", (short)1).With("sequences", dialect.SequencesParameter(sequences)).ExecuteAsync(None);
        Assert.That(await _database.ScalarAsync<long>($"SELECT count(*) FROM outbox_messages WHERE {_database.Partition} = 0"), Is.EqualTo(5));
    }

    private void StartRelays(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var source = new RelaySource { Name = "tests", Dialect = dialect, DataSource = _database.DataSource, Transport = _transport, Options = new RelayOptions { LeaseDuration = LeaseDuration } };
            _relays.Add(new SourceRelay(source, $"relay {i}", TimeProvider.System, _log.CreateLogger($"Relay {i}"), StepSignals.None).RunAsync(_stop.Token));
        }
    }

    private async Task ChangeAsync(int partitions)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var change = new Repartitioning(_database.DataSource, dialect, "test", LeaseDuration, TimeProvider.System, _ => { });
        await Eventually.IsTrueAsync(() => change.TryRunAsync(partitions, limit.Token), "the change is made", TimeSpan.FromMinutes(2));
    }

    private async Task<(int, int)> SettingsAsync()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        return await Repartitioning.ReadAsync(connection, None);
    }

    /// <summary>A service of its own, with what it knows of the number of partitions. It writes the versions of its keys, one after the other, and tells how many there were.</summary>
    private async Task<IReadOnlyDictionary<string, int>> WriteAsync(int writer, CancellationToken end)
    {
        await using var host = TestHost.Build(s => s.AddOutbox("tests", _ => _database.DataSource, o => o.UseInMemory(_transport)));
        var outbox = host.Services.GetRequiredService<IOutbox>();
        var versions = new Dictionary<string, int>();
        for (var i = 0; !end.IsCancellationRequested; i++)
        {
            var key = $"writer-{writer}-key-{i % 20}";
            await using var connection = await _database.DataSource.OpenConnectionAsync(None);
            await using (var transaction = await connection.BeginTransactionAsync(None))
            {
                await outbox.AddAsync(transaction, new Version(versions.GetValueOrDefault(key) + 1), new MessageOptions { PartitionKey = key }, None);
                await transaction.CommitAsync(None);
            }
            versions[key] = versions.GetValueOrDefault(key) + 1;
            // A load that leaves the machine something for the relays.
            await Task.Delay(5, None);
        }
        return versions;
    }

    private async Task<IReadOnlyDictionary<string, int>> InsertAsync(int keys, int versions, int partitions)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        foreach (var (version, key) in Enumerable.Range(1, versions).SelectMany(v => Enumerable.Range(0, keys).Select(k => (v, $"key-{k}"))))
        {
            await connection.Command($"INSERT INTO outbox_messages (message_id, type, partition_key, body, {_database.Partition}) VALUES (@id, 'tests.version.v1', @key, @body, @partition)")
                .With("id", Guid.CreateVersion7()).With("key", key).With("body", Encoding.UTF8.GetBytes($"{version}")).With("partition", Partitioner.PartitionOf(key, partitions))
                .ExecuteAsync(None);
        }
        return Enumerable.Range(0, keys).ToDictionary(k => $"key-{k}", _ => versions);
    }

    private void AssertInOrder(IReadOnlyDictionary<string, int> written)
    {
        // A lost answer makes a copy, and nothing else: the first of each counts.
        var first = _arrived.DistinctBy(a => a.Id).ToLookup(a => a.Key, a => a.Version);
        Assert.Multiple(() =>
        {
            foreach (var (key, versions) in written)
                Assert.That(first[key], Is.EqualTo(Enumerable.Range(1, versions)), key);
        });
        Assert.That(first, Has.Count.EqualTo(written.Count));
    }

    [MessageType("tests.version.v1")]
    [Newtonsoft.Json.JsonConverter(typeof(AsNumber))]
    private sealed record Version(int Number);

    private sealed class AsNumber : Newtonsoft.Json.JsonConverter<Version>
    {
        public override void WriteJson(Newtonsoft.Json.JsonWriter writer, Version? value, Newtonsoft.Json.JsonSerializer serializer) => writer.WriteValue(value!.Number);

        public override Version ReadJson(Newtonsoft.Json.JsonReader reader, Type objectType, Version? existingValue, bool hasExistingValue, Newtonsoft.Json.JsonSerializer serializer) => throw new NotSupportedException();
    }
}

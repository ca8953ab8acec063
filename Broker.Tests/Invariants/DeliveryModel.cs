using Broker.Relay;
using Broker.Tests.Support;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.Messages;
using Outbox.Transport;

namespace Broker.Tests.Invariants;

/// <summary>The real relay over a model of a database and of a broker, with an inbox behind it: random commits, rollbacks, late commits, crashes, takeovers, lost answers, copies, refusals, dead letters that an operator redrives.</summary>
internal sealed class DeliveryModel
{
    /// <summary>What a random byte makes the world do next.</summary>
    private enum Act { Commit, Begin, CommitOpen, RollBackOpen, Crash, TakeOver, Redrive, Breathe }

    [Test]
    public void Every_committed_event_takes_effect_once_in_the_order_of_its_key_and_nothing_else_does()
    {
        var acts = Gen.Choose(0, 255).ArrayOf().Where(a => a.Length > 0).ToArbitrary();
        var seeds = Gen.Choose(0, int.MaxValue).ToArbitrary();
        Prop.ForAll(acts, seeds, (bytes, seed) => RunAsync(bytes, seed).GetAwaiter().GetResult())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(400).WithStartSize(5).WithEndSize(120));
    }

    private static async Task<bool> RunAsync(int[] bytes, int seed)
    {
        var outbox = new ModelOutbox();
        var inbox = new ModelInbox();
        var random = new Random(seed);
        var transport = new ScriptedTransport(envelope => Answer(envelope, inbox, random));
        var open = new Dictionary<string, ModelOutbox.Row>();
        var relay = new ModelRelay(outbox, transport);
        try
        {
            foreach (var value in bytes)
            {
                var key = (value >> 3) % 4 == 0 ? null : $"key-{(value >> 3) % 4}";
                switch ((Act)(value % 8))
                {
                    // Writers of one key take turns, as they do when they change the same aggregate.
                    case Act.Commit when key is null || !open.ContainsKey(key):
                        outbox.Commit(outbox.Insert(key));
                        break;
                    case Act.Begin when open.TryAdd(key ?? $"none-{open.Count}", null!):
                        open[key ?? $"none-{open.Count - 1}"] = outbox.Insert(key);
                        break;
                    case Act.CommitOpen when open.Count > 0:
                        outbox.Commit(open.First().Value);
                        open.Remove(open.First().Key);
                        break;
                    case Act.RollBackOpen when open.Count > 0:
                        outbox.RollBack(open.First().Value);
                        open.Remove(open.First().Key);
                        break;
                    case Act.Crash:
                        await relay.DieAsync();
                        relay = new ModelRelay(outbox, transport);
                        break;
                    case Act.TakeOver:
                        // The former one goes on for a while, without knowing that it is no longer the one.
                        var stale = relay;
                        relay = new ModelRelay(outbox, transport);
                        await Task.Yield();
                        await stale.DieAsync();
                        break;
                    case Act.Redrive:
                        outbox.Redrive();
                        break;
                    default:
                        await Task.Yield();
                        break;
                }
            }
            foreach (var row in open.Values)
                outbox.Commit(row);
            // A relay that ends by itself has failed: say why, instead of waiting for what will not come.
            var empty = outbox.EmptyAsync();
            while (!empty.IsCompleted && !relay.Running.IsCompleted)
            {
                outbox.Redrive();
                await Task.WhenAny(empty, relay.Running, Task.Delay(5));
            }
            await await Task.WhenAny(empty, relay.Running);
        }
        finally
        {
            await relay.DieAsync();
        }
        var committed = outbox.Committed;
        foreach (var key in committed.Select(r => r.Key).Distinct().Where(k => k is not null))
            Assert.That(inbox.Applied(key), Is.EqualTo(committed.Where(r => r.Key == key).OrderBy(r => r.Sequence).Select(r => r.Id)), $"order of {key}");
        Assert.That(inbox.Applied(null), Is.EquivalentTo(committed.Where(r => r.Key is null).Select(r => r.Id)));
        return true;
    }

    /// <summary>The broker: mostly takes the message and says so; sometimes says something else, or dies before it can.</summary>
    private static PublishOutcome? Answer(Envelope envelope, ModelInbox inbox, Random random)
    {
        int dice;
        lock (random)
            dice = random.Next(20);
        switch (dice)
        {
            case 0:
                return PublishOutcome.Unroutable;
            case 1:
                return PublishOutcome.Nacked;
            case 2:
                // It arrived, but the answer was lost with the channel.
                inbox.Deliver(envelope);
                return null;
            case 3:
                // It did not arrive, and the channel is lost.
                return null;
            case 4:
                // A copy: redelivered by the broker before it was accepted.
                inbox.Deliver(envelope);
                inbox.Deliver(envelope);
                return PublishOutcome.Confirmed;
            case 5 or 6:
                return PublishOutcome.Refused;
            default:
                inbox.Deliver(envelope);
                return PublishOutcome.Confirmed;
        }
    }

    /// <summary>The consumer: an id takes effect once, in the order of arrival.</summary>
    private sealed class ModelInbox
    {
        private readonly Lock _lock = new();
        private readonly HashSet<Guid> _seen = [];
        private readonly List<(string? Key, Guid Id)> _applied = [];

        public IReadOnlyList<Guid> Applied(string? key)
        {
            lock (_lock)
                return [.. _applied.Where(a => a.Key == key).Select(a => a.Id)];
        }

        public void Deliver(Envelope envelope)
        {
            lock (_lock)
            {
                if (_seen.Add(envelope.MessageId))
                    _applied.Add((envelope.PartitionKey, envelope.MessageId));
            }
        }
    }

    /// <summary>One relay process with its lease.</summary>
    private sealed class ModelRelay
    {
        private static int _relays;

        private readonly CancellationTokenSource _dead = new();
        private readonly PartitionDrainer _drainer;
        public Task Running { get; }

        public ModelRelay(ModelOutbox outbox, ITransport transport)
        {
            // As if each takeover were on another engine.
            var store = outbox.Lease(Interlocked.Increment(ref _relays) % 2 == 0 ? Outbox.Sql.LateRows.UntilWritersEnd : Outbox.Sql.LateRows.WhileUncommitted);
            var source = new RelaySource
            {
                Name = "model",
                Dialect = Outbox.Sql.SqlDialect.PostgreSql,
                DataSource = Npgsql.NpgsqlDataSource.Create("Host=unused"),
                Transport = transport,
                Options = new RelayOptions { BatchSize = 4, ReadAhead = 12, Window = 4, RetryDelay = TimeSpan.FromMilliseconds(50), MaxRetryDelay = TimeSpan.FromMilliseconds(200), MaxAttempts = 2, UnroutableTimeout = TimeSpan.FromMilliseconds(60) },
            };
            _drainer = new PartitionDrainer(source, store, new HurriedTime(100), NullLogger.Instance, Outbox.Diagnostics.StepSignals.None);
            Running = Task.Run(() => _drainer.RunAsync(_dead.Token, CancellationToken.None));
        }

        public async Task DieAsync()
        {
            await _dead.CancelAsync();
            try
            {
                await Running;
            }
            catch (Exception exception) when (exception is OperationCanceledException or LeaseLostException)
            {
                // Killed, or found that another has taken over.
            }
            _drainer.Dispose();
            _dead.Dispose();
        }
    }
}

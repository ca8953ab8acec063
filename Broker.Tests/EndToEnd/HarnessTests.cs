using System.Collections.Concurrent;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Testing;

namespace Broker.Tests.EndToEnd;

/// <summary>The harness for users' tests: it waits for rest and for nothing less, shows what happened, and makes happen what may happen.</summary>
internal sealed class HarnessTests
{
    private readonly ConcurrentQueue<string> _calls = new();
    private TestDatabase _database = null!;
    private OutboxHarness _harness = null!;
    private Func<Step, MessageContext, CancellationToken, Task> _handle = null!;

    [MessageType("tests.step.v1")]
    internal sealed record Step(string Key, int Number);

    [SetUp]
    public async Task Prepare()
    {
        _calls.Clear();
        _handle = (_, _, _) => Task.CompletedTask;
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
    }

    [TearDown]
    public async Task Close()
    {
        if (_harness is not null)
            await _harness.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Test]
    public async Task It_waits_for_every_link_of_a_chain()
    {
        _handle = async (step, context, token) =>
        {
            await Task.Delay(20, token);
            if (step.Number < 10)
                await OutboxOf().AddAsync(context.Transaction, new Step(step.Key, step.Number + 1), step.Key, token);
        };
        await StartAsync();

        await WriteAsync(new Step("a", 1));
        await _harness.DrainedAsync();

        Assert.That(_harness.AppliedBy<Step>("walker").Select(s => s.Number), Is.EqualTo(Enumerable.Range(1, 10)));
        Assert.That(_harness.Published<Step>(), Is.EqualTo(_harness.AppliedBy("walker")));
        Assert.That(_harness.Published().Select(m => (m.Type, m.PartitionKey, m.Source)).Distinct(), Is.EqualTo(new[] { ("tests.step.v1", (string?)"a", "tests") }));
    }

    [Test]
    public async Task It_waits_for_what_is_tried_again()
    {
        _handle = (_, context, _) => context.Attempt < 3 ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        await StartAsync();

        await WriteAsync(new Step("a", 1), new Step("a", 2));
        await _harness.DrainedAsync();

        Assert.That(_harness.AppliedBy<Step>("walker").Select(s => s.Number), Is.EqualTo(new[] { 1, 2 }));
    }

    [Test]
    public async Task What_waits_behind_a_dead_letter_is_at_rest()
    {
        _handle = (step, _, _) => step.Number == 1 ? throw new InvalidOperationException("never") : Task.CompletedTask;
        await StartAsync();

        await WriteAsync(new Step("a", 1), new Step("a", 2), new Step("b", 3));
        await _harness.DrainedAsync();

        Assert.That(_harness.AppliedBy<Step>("walker").Select(s => s.Number), Is.EqualTo(new[] { 3 }));
        var letter = (await _harness.DeadLettersAsync()).Single();
        Assert.That((letter.Source, letter.Consumer, letter.Type, letter.BlocksKey), Is.EqualTo(("tests", "walker", "tests.step.v1", true)));
        Assert.That(letter.Reason, Does.Contain("never"));
    }

    [Test]
    public async Task A_handler_that_does_something_outside_of_its_transaction_is_found_out()
    {
        _handle = (step, context, token) => HappensAsync(step, context, token);
        await StartAsync();
        await WriteAsync(new Step("a", 1), new Step("b", 2));
        await _harness.DrainedAsync();
        Assert.That(_calls, Has.Count.EqualTo(2));

        await _harness.RedeliverEverythingAsync();
        Assert.That(_calls, Has.Count.EqualTo(2), "the inbox keeps a copy from the handler");

        _harness.Faults.LoseAccepts(1);
        _handle = async (step, context, token) =>
        {
            await HappensAsync(step, context, token);
            if (context.Attempt == 1)
                throw new InvalidOperationException("after the call");
        };
        await WriteAsync(new Step("c", 3));
        await _harness.DrainedAsync();
        Assert.That(_calls.Count(c => c == "3"), Is.EqualTo(2), "a call to somebody else is not undone with the transaction");

        Task HappensAsync(Step step, MessageContext context, CancellationToken token)
        {
            _calls.Enqueue($"{step.Number}");
            return Task.CompletedTask;
        }
    }

    [Test]
    public async Task With_all_faults_each_message_is_applied_once_and_in_the_order_of_its_key()
    {
        await StartAsync(concurrency: 4);
        _harness.Faults.Duplicate(0.5);
        _harness.Faults.Reorder(8);
        _harness.Faults.Delay(TimeSpan.FromMilliseconds(2));
        _harness.Faults.RefusePublishes(3);
        _harness.Faults.LoseAccepts(10);

        for (var i = 0; i < 40; i++)
        {
            await WriteAsync(new Step("a", i), new Step("b", i));
            if (i % 10 == 5)
                await _harness.Faults.DropConnectionsAsync();
        }
        await _harness.DrainedAsync();

        var applied = _harness.AppliedBy<Step>("walker");
        foreach (var key in (string[])["a", "b"])
            Assert.That(applied.Where(s => s.Key == key).Select(s => s.Number), Is.EqualTo(Enumerable.Range(0, 40)), $"key {key}");
    }

    [Test]
    public async Task A_consumer_with_partitioned_queues_is_served_too()
    {
        await StartAsync(concurrency: 2, partitions: 4);

        await WriteAsync([.. Enumerable.Range(0, 40).Select(i => new Step($"key {i % 10}", i))]);
        await _harness.DrainedAsync();

        var applied = _harness.AppliedBy<Step>("walker");
        Assert.That(applied.Select(s => s.Number), Is.EquivalentTo(Enumerable.Range(0, 40)));
        foreach (var key in applied.GroupBy(s => s.Key))
            Assert.That(key.Select(s => s.Number), Is.Ordered, key.Key);
    }

    [Test]
    public async Task Keys_overtake_each_other_when_a_test_wants_it()
    {
        await StartAsync();
        _harness.Faults.Reorder(20);

        await WriteAsync([.. Enumerable.Range(0, 60).Select(i => new Step($"key {i % 20}", i))]);
        await _harness.DrainedAsync();

        var applied = _harness.AppliedBy<Step>("walker").Select(s => s.Number).ToList();
        Assert.That(applied, Is.EquivalentTo(Enumerable.Range(0, 60)).And.Not.Ordered);
    }

    [Test]
    public async Task A_message_that_nobody_here_consumes_is_published_and_no_trouble()
    {
        await StartAsync(consumes: false);

        await WriteAsync(new Step("a", 1));
        await _harness.DrainedAsync();

        Assert.That(_harness.Published<Step>(), Has.Count.EqualTo(1));
        Assert.That(await _harness.DeadLettersAsync(), Is.Empty);
    }

    [Test]
    public async Task When_time_is_up_it_says_what_is_where()
    {
        var stop = new TaskCompletionSource();
        _handle = (step, _, _) => step.Number == 1 ? throw new InvalidOperationException("out of apples") : stop.Task;
        await StartAsync(retryDelay: TimeSpan.FromMinutes(1), concurrency: 2);
        await WriteAsync(new Step("a", 1), new Step("a", 2));
        await Eventually.EqualsAsync(() => _database.CountAsync("deferred_messages"), 2, "the first has failed, the second waits");

        await WriteAsync(new Step("b", 3));
        await Eventually.EqualsAsync(() => Task.FromResult(_harness.Published().Count), 3, "all are published");
        var error = Assert.ThrowsAsync<NotDrainedException>(() => _harness.DrainedAsync(TimeSpan.FromMilliseconds(100)))!;
        stop.SetResult();

        Assert.That(error.Message, Does.Contain("Queue 'walker': 1 not accepted."));
        Assert.That(error.Message, Does.Contain("Outbox 'tests', deferred: 2"));
        Assert.That(error.Message, Does.Contain("tests.step.v1 of key 'a' of consumer 'walker', failed, 1 attempts: InvalidOperationException: out of apples"));
    }

    [Test]
    public async Task A_consumer_that_cannot_begin_is_named()
    {
        await _database.ExecuteAsync("UPDATE outbox_schema SET version = 99");
        await StartAsync();

        var error = Assert.ThrowsAsync<NotDrainedException>(() => _harness.DrainedAsync(TimeSpan.FromMilliseconds(100)))!;

        Assert.That(error.Message, Does.Contain("Queue 'walker': its consumer has not begun; its log says why."));
    }

    [Test]
    public async Task It_serves_a_host_of_the_tests_own_too()
    {
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        Register(builder.Services, consumes: true, concurrency: 1);
        builder.Services.AddOutboxHarness();
        using var host = builder.Build();
        await host.StartAsync();
        _harness = host.Services.GetRequiredService<OutboxHarness>();

        await WriteAsync(new Step("a", 1));
        await _harness.DrainedAsync();

        Assert.That(_harness.AppliedBy("walker"), Is.EqualTo(new[] { new Step("a", 1) }));
        await host.StopAsync();
    }

    [Test]
    public void It_is_called_after_the_services_own_registrations() =>
        Assert.That(() => new ServiceCollection().AddOutboxHarness(), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("after"));

    private async Task StartAsync(bool consumes = true, int concurrency = 1, TimeSpan? retryDelay = null, int partitions = 1) =>
        _harness = await OutboxHarness.StartAsync(services => Register(services, consumes, concurrency, partitions), options =>
        {
            (options.RetryDelay, options.CreateTables) = (retryDelay ?? options.RetryDelay, false);
        });

    private void Register(IServiceCollection services, bool consumes, int concurrency, int partitions = 1)
    {
        services.AddLogging();
        services.AddSingleton(this);
        services.AddOutbox("tests", _ => _database.DataSource, outbox =>
        {
            if (consumes)
                outbox.AddConsumer("walker", consumer => consumer.Handle<Step, Walker>().InOrderPerKey(concurrency).Partitions(partitions));
        });
    }

    private IOutbox OutboxOf() => _harness.Services.GetRequiredService<IOutbox>();

    private async Task WriteAsync(params Step[] steps)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        foreach (var step in steps)
            await OutboxOf().AddAsync(transaction, step, step.Key, CancellationToken.None);
        await OutboxOf().CommitAsync(transaction, CancellationToken.None);
    }

    private sealed class Walker(HarnessTests tests) : IMessageHandler<Step>
    {
        public Task HandleAsync(Step message, MessageContext context, CancellationToken cancellationToken) => tests._handle(message, context, cancellationToken);
    }
}

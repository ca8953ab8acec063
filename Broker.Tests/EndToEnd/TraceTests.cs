using System.Collections.Concurrent;
using System.Diagnostics;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Consumers;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A message is followed from the request that wrote it to the handler that it reached, by OpenTelemetry's conventions for messaging.</summary>
[NonParallelizable]
internal sealed class TraceTests
{
    private readonly ConcurrentQueue<Activity> _spans = new();
    private ActivityListener _listener = null!;
    private ActivitySource _requests = null!;
    private ConsumerBench _bench = null!;

    [SetUp]
    public async Task Prepare()
    {
        _spans.Clear();
        _requests = new ActivitySource(TestServers.NewName("requests"));
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Outbox" || source.Name == _requests.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
        _bench = await ConsumerBench.CreateAsync(Stack.Embedded);
    }

    [TearDown]
    public async Task Close()
    {
        _listener?.Dispose();
        _requests?.Dispose();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    [Test]
    public async Task One_trace_runs_from_the_request_through_the_row_and_the_relay_to_the_handler()
    {
        await using var host = await StartAsync();

        var (request, id) = await WriteAsync(host, "1");

        var process = await SpanAsync(request, "process");
        var (create, publish) = (await SpanAsync(request, "create"), await SpanAsync(request, "publish"));
        Assert.Multiple(() =>
        {
            Assert.That(create.ParentSpanId, Is.EqualTo(request.SpanId));
            Assert.That((create.DisplayName, create.Kind), Is.EqualTo(($"create {_bench.Exchange}", ActivityKind.Producer)));
            Assert.That((publish.DisplayName, publish.Kind, publish.ParentSpanId), Is.EqualTo(($"publish {_bench.Exchange}", ActivityKind.Client, create.SpanId)));
            Assert.That((process.DisplayName, process.Kind, process.ParentSpanId), Is.EqualTo(($"process {_bench.Queue}", ActivityKind.Consumer, create.SpanId)));
            foreach (var span in new[] { create, publish, process })
            {
                Assert.That(span.GetTagItem("messaging.message.id"), Is.EqualTo(id.ToString()));
                Assert.That(span.GetTagItem("messaging.rabbitmq.destination.routing_key"), Is.EqualTo("orders.order-placed.v1"));
                Assert.That(span.GetTagItem("messaging.system"), Is.EqualTo(span == create ? "rabbitmq" : "in_memory"));
            }
            Assert.That(publish.GetTagItem("messaging.operation.type"), Is.EqualTo("send"));
            Assert.That(publish.GetTagItem("messaging.destination.name"), Is.EqualTo($"{_bench.Exchange}:orders.order-placed.v1"));
            Assert.That(process.GetTagItem("messaging.operation.type"), Is.EqualTo("process"));
            Assert.That(process.GetTagItem("messaging.destination.name"), Is.EqualTo($"{_bench.Exchange}:orders.order-placed.v1:{_bench.Queue}"));
            Assert.That(process.GetTagItem("messaging.consumer.group.name"), Is.EqualTo("stock"));
            Assert.That(publish.StartTimeUtc, Is.GreaterThanOrEqualTo(create.StartTimeUtc.AddMilliseconds(-20)));
        });
    }

    [Test]
    public async Task Attempts_and_a_redrive_stay_in_the_trace_and_failed_ones_are_marked()
    {
        var isMended = false;
        _bench.Script.Then = (_, _, _) => isMended ? Task.CompletedTask : throw new InvalidOperationException("not yet");
        await using var host = await StartAsync(c => c.Options.MaxAttempts = 2);
        var (request, _) = await WriteAsync(host, "1");
        await _bench.DeadLettersBecomeAsync(1);

        isMended = true;
        var desk = new DeadLetterDesk(_bench.Database.DataSource, SqlDialect.Sqlite, "anna");
        await desk.RedriveAsync(new DeadLetterDesk.Filter(), null, CancellationToken.None);
        await _bench.EffectsBecomeAsync("1");

        await Eventually.EqualsAsync(() => Task.FromResult(Of(request, "process").Count), 3, "the attempts");
        var attempts = Of(request, "process");
        Assert.That(attempts.Select(a => a.Status), Is.EqualTo(new[] { ActivityStatusCode.Error, ActivityStatusCode.Error, ActivityStatusCode.Unset }));
        Assert.That(attempts[0].GetTagItem("error.type"), Is.EqualTo("System.InvalidOperationException"));
        Assert.That(attempts.Select(a => a.GetTagItem("outbox.attempt")), Is.EqualTo(new object[] { 1, 2, 1 }));
    }

    [Test]
    public async Task A_handler_of_many_messages_links_to_each_of_their_traces()
    {
        await using var host = await StartAsync(c => c.Batch(50, TimeSpan.FromSeconds(1)), isBatch: true);
        var first = (await WriteAsync(host, "1")).Request;
        var second = (await WriteAsync(host, "2")).Request;
        await _bench.EffectsBecomeAsync("1", "2");

        await Eventually.EqualsAsync(
            () => Task.FromResult(_spans.Where(s => s.DisplayName == $"process {_bench.Queue}").SelectMany(s => s.Links.Select(l => l.Context.TraceId).Append(s.TraceId)).Intersect([first.TraceId, second.TraceId]).Count()), 2, "both traces");
        if (_spans.FirstOrDefault(s => s.DisplayName == $"process {_bench.Queue}" && s.Links.Count() == 2) is { } both)
            Assert.That(both.GetTagItem("messaging.batch.message_count"), Is.EqualTo(2));
    }

    [Test]
    public async Task A_message_that_is_not_confirmed_leaves_a_failed_span_and_the_next_try_another()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        const string trace = "0af7651916cd43dd8448eb211c80319c";
        await database.ExecuteAsync("INSERT INTO outbox_messages (message_id, type, headers, body) VALUES (@id, 'tests.a.v1', @headers, @body)",
            ("id", Guid.CreateVersion7()), ("headers", $$"""{"traceparent":"00-{{trace}}-b7ad6b7169203331-01"}"""), ("body", Array.Empty<byte>()));
        var transport = new ScriptedTransport();
        await using var drain = await Drain.StartAsync(database, transport);
        (await transport.NextAsync()).Answer(PublishOutcome.Nacked);
        (await transport.NextAsync()).Answer(PublishOutcome.Confirmed);
        await Eventually.EqualsAsync(() => database.CountAsync("outbox_messages"), 0, "the row is settled");

        var published = _spans.Where(s => s.TraceId.ToString() == trace && s.DisplayName == "publish events").ToList();
        Assert.That(published.Select(p => (p.Status, p.GetTagItem("error.type"))), Is.EqualTo(new (ActivityStatusCode, object?)[] { (ActivityStatusCode.Error, "nacked"), (ActivityStatusCode.Unset, null) }));
        Assert.That(published.Select(p => p.ParentSpanId.ToString()), Is.All.EqualTo("b7ad6b7169203331"));
    }

    private Task<TestHost> StartAsync(Action<ConsumerBuilder>? configure = null, bool isBatch = false) => _bench.StartAsync(services => services
        .AddDbContext<OrdersContext>(_bench.Database.Configure)
        .AddOutbox<OrdersContext>(outbox => _bench.UseTransport(outbox).AddConsumer(ConsumerBench.Consumer, consumer =>
        {
            _bench.Quick(consumer);
            _ = isBatch ? consumer.HandleBatch<OrderPlaced, OrdersPlacedHandler>() : consumer.Handle<OrderPlaced, OrderPlacedHandler>();
            configure?.Invoke(consumer);
        }).AddRelay()));

    private async Task<(Activity Request, Guid Id)> WriteAsync(TestHost host, string number)
    {
        using var request = _requests.StartActivity("POST /orders", ActivityKind.Server)!;
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var id = Guid.CreateVersion7();
        context.Outbox().Add(new OrderPlaced(number), new MessageOptions { MessageId = id });
        await context.SaveChangesAsync();
        return (request, id);
    }

    private List<Activity> Of(Activity request, string operation) => [.. _spans.Where(s => s.TraceId == request.TraceId && s.DisplayName.StartsWith(operation + " ", StringComparison.Ordinal))];

    private async Task<Activity> SpanAsync(Activity request, string operation)
    {
        await Eventually.IsTrueAsync(() => Task.FromResult(Of(request, operation).Count == 1), $"a span '{operation} …' in the trace");
        return Of(request, operation).Single();
    }

    /// <summary>The effect of <see cref="OrderPlacedHandler"/>, for many messages at once.</summary>
    private sealed class OrdersPlacedHandler(OrdersContext orders, HandlerScript script) : IBatchHandler<OrderPlaced>
    {
        public async Task HandleAsync(IReadOnlyList<ReceivedMessage<OrderPlaced>> messages, BatchContext context, CancellationToken cancellationToken)
        {
            foreach (var (message, about) in messages)
            {
                orders.Orders.Add(new Order { Number = OrderPlacedHandler.NumberOf(message) });
                await script.RunAsync(message.Number, about, orders);
            }
        }
    }
}

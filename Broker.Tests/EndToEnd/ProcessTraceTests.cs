using Broker.Tests.Support;

namespace Broker.Tests.EndToEnd;

/// <summary>The shop's services and the worker, each a process of its own, export what they do to one collector.</summary>
internal sealed class ProcessTraceTests
{
    private const int Server = 2;
    private const int Client = 3;
    private const int Producer = 4;
    private const int Consumer = 5;

    [Test]
    public async Task One_trace_id_runs_from_an_HTTP_request_through_the_worker_to_handlers_in_other_processes()
    {
        var (rabbitMq, postgreSql) = (await TestServers.RabbitMqAsync(), await TestServers.PostgreSqlAsync());
        await using var collector = await OtlpReceiver.StartAsync();

        var (code, output) = TestServers.Start(
            "env", $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.Endpoint}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=200",
            "dotnet", BuiltProgram.Path("Shop"), "run", "--database", "postgresql", "--connection-string", postgreSql, "--rabbitmq", rabbitMq, "--orders", "20");

        Assert.That(code, Is.Zero, output);
        var requests = collector.Spans.Where(s => s is { Service: "orders", Kind: Server } && s.Name.Contains("/orders", StringComparison.Ordinal)).ToList();
        Assert.That(requests, Has.Count.GreaterThanOrEqualTo(20), string.Join('\n', collector.Spans.Take(20)));
        var followed = requests.Select(r => collector.Spans.Where(s => s.TraceId == r.TraceId).ToList()).Where(t => t.Count > 1).ToList();
        var whole = followed.Where(trace =>
            trace.Any(s => s is { Service: "orders", Kind: Producer }) &&
            trace.Any(s => s is { Service: "broker", Kind: Client } && s.Attributes["messaging.system"] == "rabbitmq" && s.Attributes["messaging.operation.type"] == "send") &&
            trace.Any(s => s is { Service: "stock", Kind: Consumer }) &&
            // What the stock's handler wrote goes on: to the orders' own handler, in the process that had the request, and to the customers'.
            trace.Any(s => s is { Service: "stock", Kind: Producer }) &&
            trace.Any(s => s is { Service: "orders", Kind: Consumer })).ToList();
        Assert.That(whole, Has.Count.GreaterThanOrEqualTo(20), "every request is followed to the end");
        foreach (var trace in whole)
        {
            var ids = trace.Select(s => s.SpanId).ToHashSet();
            Assert.That(trace.Where(s => s.Service != "orders").Select(s => s.ParentId).Distinct(), Is.SubsetOf(ids), "nothing hangs in the air");
        }
        Assert.That(collector.Signals, Has.Member("/v1/metrics"));
    }
}

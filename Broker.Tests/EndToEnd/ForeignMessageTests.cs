using System.Text;
using Broker.Tests.Support;
using Outbox.Consumers;
using Outbox.Sql;
using RabbitMQ.Client;

namespace Broker.Tests.EndToEnd;

/// <summary>G6: whatever a program in any language sends is handled, or set aside with its reason. Nothing of it stops the queue.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
internal sealed class ForeignMessageTests(SqlDialect dialect)
{
    private const string Type = "orders.order-placed.v1";

    private ConsumerBench _bench = null!;
    private TestBroker _broker = null!;
    private TestHost _host = null!;

    [SetUp]
    public async Task Prepare()
    {
        _bench = await ConsumerBench.CreateAsync(TestTransport.RabbitMq, dialect);
        _broker = await TestBroker.ConnectAsync();
        _host = await _bench.StartAsync(c => c.Options.MaxAttempts = 2);
    }

    [TearDown]
    public async Task Close()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        if (_broker is not null)
            await _broker.DisposeAsync();
        if (_bench is not null)
            await _bench.DisposeAsync();
    }

    [Test]
    public async Task An_unknown_type_is_set_aside_and_the_reason_names_what_is_handled()
    {
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = "orders.order-shipped.v1" });

        var dead = await IsSetAsideAsync();
        Assert.That(dead[0], Is.EqualTo("orders.order-shipped.v1"));
        Assert.That(dead[1], Does.Contain("orders.order-shipped.v1").And.Contain(Type));
    }

    [TestCase(1)]
    [TestCase(50)]
    public async Task An_unknown_type_is_passed_over_where_that_is_wanted(int batch)
    {
        await _host.DisposeAsync();
        _host = await _bench.StartAsync(c => c.Batch(batch).Options.IgnoreUnknownTypes = true);
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = "orders.order-shipped.v1" });
        await _bench.PublishAsync("after");

        await _bench.EffectsBecomeAsync("after");
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
        await _bench.StopsWithAnEmptyQueueAsync(_host, waiting: 1);
    }

    [TestCase("{\"number\":", "JSON")]
    [TestCase("not json at all", "JSON")]
    [TestCase("[]", "JSON")]
    [TestCase("{\"number\":{}}", "JSON")]
    [TestCase("{} {}", "JSON")]
    [TestCase("null", "null")]
    [TestCase("", "empty")]
    public async Task A_body_that_cannot_be_read_is_set_aside_at_once(string body, string reason)
    {
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = Type }, body);

        var dead = await IsSetAsideAsync();
        Assert.That(dead[1], Does.Contain(reason));
        Assert.That(dead[2], Is.EqualTo("1"), "reading it again would not help");
        Assert.That((await _bench.Database.ScalarAsync<string>($"SELECT {_bench.Database.Body} FROM dead_letters")) ?? "", Is.EqualTo(body), "it is kept as it came");
    }

    [Test]
    public async Task Bytes_that_are_not_UTF8_are_set_aside()
    {
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = Type }, [0x7b, 0xff, 0xfe, 0x7d]);

        Assert.That((await IsSetAsideAsync())[1], Is.Not.Empty);
    }

    [Test]
    public async Task A_message_without_an_id_is_set_aside_each_time()
    {
        await SendAsync(new BasicProperties { Type = Type }, """{"number":"1"}""");
        await SendAsync(new BasicProperties { Type = Type }, """{"number":"2"}""");

        await FlowsAsync();
        var dead = await _bench.DeadLettersBecomeAsync(2);
        Assert.That(dead.Select(d => d[1]), Is.All.Contains("no id"));
        Assert.That(_bench.Script.Calls.Select(c => c.Number), Is.EqualTo(new[] { "after" }));
    }

    [Test]
    public async Task A_message_without_a_type_is_set_aside()
    {
        await SendAsync(new BasicProperties { MessageId = NewId() });

        Assert.That((await IsSetAsideAsync())[1], Does.Contain("no type"));
    }

    [Test]
    public async Task A_message_without_any_property_is_set_aside()
    {
        await SendAsync(new BasicProperties(), "");

        await IsSetAsideAsync();
    }

    [Test]
    public async Task An_id_that_is_no_GUID_is_deduplicated_like_any_other()
    {
        for (var i = 0; i < 3; i++)
            await SendAsync(new BasicProperties { MessageId = "order-4711/placed", Type = Type }, """{"number":"1"}""");

        await FlowsAsync("1");
        Assert.That(_bench.Script.CallsOf("1"), Is.EqualTo(1));
        Assert.That(await _bench.DeadLettersAsync(), Is.Empty);
    }

    [TestCase("cloudEvents:")]
    [TestCase("cloudEvents_")]
    public async Task A_message_with_CloudEvents_attributes_alone_is_handled(string prefix)
    {
        var id = NewId();
        var headers = new Dictionary<string, object?> { [prefix + "id"] = id, [prefix + "type"] = Type, [prefix + "source"] = "python", [prefix + "partitionkey"] = "k", [prefix + "specversion"] = "1.0" };
        await SendAsync(new BasicProperties { Headers = headers }, """{"number":"1"}""");

        await FlowsAsync("1");
        var context = _bench.Script.Calls.First().Context;
        Assert.That((context.MessageId, context.Source, context.PartitionKey), Is.EqualTo((Guid.Parse(id), "python", "k")));
    }

    [Test]
    public async Task Headers_of_every_kind_are_taken()
    {
        var headers = new Dictionary<string, object?>
        {
            ["text"] = "Zürich",
            ["nul"] = "a\0b",
            ["long"] = new string('x', 20_000),
            ["invalid"] = new byte[] { 0xff, 0xfe },
            ["number"] = 42,
            ["big"] = long.MaxValue,
            ["float"] = 1.5,
            ["flag"] = true,
            ["time"] = new AmqpTimestamp(1_700_000_000),
            ["nothing"] = null,
            ["list"] = new List<object?> { 1, "two" },
            ["table"] = new Dictionary<string, object?> { ["a"] = 1 },
            [new string('n', 200)] = "long name",
        };
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = Type, Headers = headers }, """{"number":"1"}""");
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = "unknown", Headers = headers });

        await FlowsAsync("1");
        var taken = _bench.Script.Calls.First().Context.Headers;
        Assert.That((taken["text"], taken["nul"], taken["number"], taken["big"], taken["float"], taken["flag"], taken["time"]), Is.EqualTo(("Zürich", "a\0b", "42", "9223372036854775807", "1.5", "true", "1700000000")));
        Assert.That((await _bench.DeadLettersBecomeAsync(1)).Single()[0], Is.EqualTo("unknown"));
    }

    [Test]
    public async Task NUL_and_very_long_text_in_id_type_key_and_source_is_set_aside()
    {
        var nul = new BasicProperties { MessageId = "a\0b", Type = "t\0", ContentType = "c\0", Headers = new Dictionary<string, object?> { ["cloudEvents:partitionkey"] = "k\0", ["cloudEvents:source"] = "s\0" } };
        var @long = new BasicProperties
        {
            MessageId = new string('i', 255),
            Type = new string('t', 255),
            ContentType = new string('c', 255),
            Headers = new Dictionary<string, object?> { ["cloudEvents:partitionkey"] = new string('k', 30_000), ["cloudEvents:source"] = new string('s', 30_000) },
        };
        await SendAsync(nul);
        await SendAsync(@long);

        await FlowsAsync();
        var dead = await _bench.DeadLettersBecomeAsync(2);
        Assert.That(dead[0][0], Is.EqualTo("t\uFFFD"));
        Assert.That(dead[1][0], Is.EqualTo(new string('t', 255)));
        await _bench.StopsWithAnEmptyQueueAsync(_host);
    }

    [Test]
    public async Task Odd_text_in_the_id_key_and_source_of_a_good_message_does_not_stop_it()
    {
        await SendAsync(
            new BasicProperties { MessageId = "a\0b", Type = Type, Headers = new Dictionary<string, object?> { ["cloudEvents:partitionkey"] = "k\0" + new string('k', 30_000), ["cloudEvents:source"] = "s\0", ["traceparent"] = "not a trace" } },
            """{"number":"1"}""");

        await FlowsAsync("1");
        await _bench.StopsWithAnEmptyQueueAsync(_host);
    }

    [Test]
    public async Task A_handler_whose_error_has_odd_text_is_set_aside_too()
    {
        _bench.Script.Then = (number, _, _) => number == "1" ? throw new RejectMessageException("NUL \0 and long " + new string('x', 100_000)) : Task.CompletedTask;
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = Type }, """{"number":"1"}""");

        var dead = await IsSetAsideAsync();
        Assert.That(dead[1], Does.StartWith("NUL \uFFFD and long xxx").And.Length.LessThanOrEqualTo(2_000));
    }

    [TestCase(1_997)]
    [TestCase(1_998)]
    public async Task A_handler_whose_error_is_cut_inside_of_a_character_is_set_aside_too(int before)
    {
        var start = "lone \ud83d" + new string('x', before - 6);
        _bench.Script.Then = (number, _, _) => number == "1" ? throw new RejectMessageException(start + "😀😀😀") : Task.CompletedTask;
        await SendAsync(new BasicProperties { MessageId = NewId(), Type = Type }, """{"number":"1"}""");

        var dead = await IsSetAsideAsync();
        Assert.That(dead[1], Is.EqualTo(start.Replace('\ud83d', '\uFFFD') + (before == 1_997 ? "😀…" : "…")));
    }

    private static string NewId() => Guid.CreateVersion7().ToString("D");

    private Task SendAsync(BasicProperties properties, string body = """{"number":"1"}""") => SendAsync(properties, Encoding.UTF8.GetBytes(body));

    private async Task SendAsync(BasicProperties properties, byte[] body)
    {
        // Straight to the queue, through the default exchange: the way around every routing rule of ours.
        await _broker.PublishAsync("", _bench.Queue, properties, body);
        _bench.Published();
    }

    /// <summary>A message behind the odd one is handled.</summary>
    private async Task FlowsAsync(params string[] numbers)
    {
        await _bench.PublishAsync("after");
        await _bench.EffectsBecomeAsync([.. numbers, "after"]);
    }

    private async Task<string?[]> IsSetAsideAsync()
    {
        await FlowsAsync();
        var dead = await _bench.DeadLettersBecomeAsync(1);
        await _bench.StopsWithAnEmptyQueueAsync(_host);
        return dead.Single();
    }
}

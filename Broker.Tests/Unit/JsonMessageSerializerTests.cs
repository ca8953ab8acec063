using System.Text;
using Newtonsoft.Json;
using Outbox.Messages;

namespace Broker.Tests.Unit;

internal sealed class JsonMessageSerializerTests
{
    private readonly JsonMessageSerializer _serializer = new();

    [Test]
    public void A_message_comes_back_as_it_was_written()
    {
        var message = new Sample("Zürich 😀", 1.10m, new DateTimeOffset(2024, 2, 29, 12, 0, 0, TimeSpan.FromHours(2)), [1, 2]);

        var body = _serializer.Serialize(message);

        Assert.That(Encoding.UTF8.GetString(body), Is.EqualTo("""{"name":"Zürich 😀","amount":1.10,"at":"2024-02-29T12:00:00+02:00","numbers":[1,2]}"""));
        var read = (Sample)_serializer.Deserialize(body, typeof(Sample));
        Assert.That((read.Name, read.Amount, read.At, read.At.Offset, read.Numbers), Is.EqualTo((message.Name, message.Amount, message.At, message.At.Offset, message.Numbers)));
    }

    [Test]
    public void Unknown_fields_are_ignored_and_missing_ones_have_their_default() =>
        Assert.That(((Sample)Read("""{"name":"a","new":{"x":1}}""")).Amount, Is.Zero);

    [TestCase("")]
    [TestCase("   ")]
    [TestCase("null")]
    [TestCase("{")]
    [TestCase("{\"name\":")]
    [TestCase("[]")]
    [TestCase("\"text\"")]
    [TestCase("{\"amount\":\"many\"}")]
    [TestCase("{\"amount\":1e999}")]
    [TestCase("{\"at\":\"yesterday\"}")]
    [TestCase("{\"numbers\":[3000000000]}")]
    [TestCase("{} {}")]
    [TestCase("{} x")]
    public void A_body_that_is_no_such_message_is_unreadable_and_the_error_does_not_quote_it(string body)
    {
        var error = Assert.Throws<UnreadableMessageException>(() => Read(body));

        Assert.That(error!.Message, Does.Contain(nameof(Sample)));
        if (body.Contains("yesterday", StringComparison.Ordinal) || body.Contains("many", StringComparison.Ordinal))
            Assert.That(error.Message, Does.Not.Contain("yesterday").And.Not.Contain("many"));
    }

    [Test]
    public void A_comment_after_the_end_is_no_further_message() => Assert.That(() => Read("{} /* end */"), Throws.Nothing);

    [Test]
    public void Bytes_that_are_no_UTF8_are_unreadable() =>
        Assert.That(() => _serializer.Deserialize(new byte[] { (byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}' }, typeof(Sample)), Throws.TypeOf<UnreadableMessageException>());

    [Test]
    public void Deep_nesting_is_unreadable_and_no_danger() =>
        Assert.That(() => Read("""{"new":""" + new string('[', 100_000)), Throws.TypeOf<UnreadableMessageException>());

    [Test]
    public void A_type_name_in_a_body_is_a_field_like_any_other([Values] bool configuredOtherwise)
    {
        var serializer = new JsonMessageSerializer(configuredOtherwise ? s => s.TypeNameHandling = TypeNameHandling.All : null);
        var body = Encoding.UTF8.GetBytes($$"""{"$type":"{{typeof(Dangerous).AssemblyQualifiedName}}","value":{"$type":"{{typeof(Dangerous).AssemblyQualifiedName}}"} }""");

        var read = (Holder)serializer.Deserialize(body, typeof(Holder));

        Assert.That(Dangerous.Made, Is.Zero);
        Assert.That(read.Value, Is.Not.InstanceOf<Dangerous>());
    }

    [Test]
    public void No_type_name_is_written([Values] bool configuredOtherwise)
    {
        var serializer = new JsonMessageSerializer(configuredOtherwise ? s => s.TypeNameHandling = TypeNameHandling.All : null);

        Assert.That(Encoding.UTF8.GetString(serializer.Serialize(new Holder { Value = new Sample("a", 0, default, []) })), Does.Not.Contain("$type").And.Not.Contain(nameof(Sample)));
    }

    [Test]
    public void A_constructor_that_refuses_a_value_makes_the_message_unreadable() =>
        Assert.That(() => _serializer.Deserialize("""{"value":-1}"""u8.ToArray(), typeof(Positive)), Throws.TypeOf<UnreadableMessageException>().With.Message.Contains(nameof(Positive)));

    private object Read(string body) => _serializer.Deserialize(Encoding.UTF8.GetBytes(body), typeof(Sample));

    private sealed record Sample(string Name, decimal Amount, DateTimeOffset At, int[] Numbers);

    private sealed class Holder
    {
        public object? Value { get; set; }
    }

    private sealed class Dangerous
    {
        public Dangerous() => Made++;

        public static int Made { get; private set; }
    }

    private sealed class Positive
    {
        public Positive(int value) => Value = value > 0 ? value : throw new ArgumentOutOfRangeException(nameof(value));

        public int Value { get; }
    }
}

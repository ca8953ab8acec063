using Newtonsoft.Json.Linq;
using Outbox;
using Outbox.Messages;
using Outbox.Receipts;

namespace Broker.Tests.Unit;

/// <summary>What a writer says when it wants receipts.</summary>
internal sealed class ReceiptWishTests
{
    private static readonly MessageOptions Wanted = new() { WantsReceipt = true };

    [Test]
    public void The_wish_travels_as_a_header_with_the_source_s_name()
    {
        var factory = new OutboxMessageFactory(new OutboxOptions { Source = "shop", Receipts = new ReceiptOptions() });

        Assert.That(JObject.Parse(factory.Create(new Thing(), Wanted).Headers!)[MessageHeaders.ReceiptTo]!.Value<string>(), Is.EqualTo("shop"));
        Assert.That(factory.Create(new Thing(), new MessageOptions()).Headers ?? "", Does.Not.Contain(MessageHeaders.ReceiptTo));
    }

    [Test]
    public void Nobody_wishes_for_receipts_that_nobody_would_keep() =>
        Assert.That(() => OutboxMessageFactory.Default.Create(new Thing(), Wanted), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("UseReceipts()"));

    [Test]
    public void Headers_copied_from_another_message_do_not_wish_for_its_sender()
    {
        var copied = new MessageOptions { Headers = new Dictionary<string, string> { [MessageHeaders.ReceiptTo] = "somebody" } };

        Assert.That(() => OutboxMessageFactory.Default.Create(new Thing(), copied), Throws.ArgumentException.With.Message.Contains("leave the header out"));
    }

    [TestCase("00:00:30", "7.00:00:00", "Retention is 00:00:30")]
    [TestCase("7.00:00:00", "00:01:00", "ConsumerLifetime is 00:01:00")]
    public void Times_that_make_no_sense_are_refused(string retention, string lifetime, string part)
    {
        var options = new ReceiptOptions { Retention = TimeSpan.Parse(retention, System.Globalization.CultureInfo.InvariantCulture), ConsumerLifetime = TimeSpan.Parse(lifetime, System.Globalization.CultureInfo.InvariantCulture) };

        Assert.That(() => options.Validate("shop"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains(part));
    }

    [MessageType("tests.thing.v1")]
    private sealed record Thing;
}

using Outbox.Inbox;

namespace Broker.Tests.Unit;

internal sealed class MessageIdsTests
{
    [TestCase("0123abcd-89ab-7def-8123-456789abcdef")]
    [TestCase("0123ABCD-89AB-7DEF-8123-456789ABCDEF")]
    [TestCase("0123abcd89ab7def8123456789abcdef")]
    [TestCase("{0123abcd-89ab-7def-8123-456789abcdef}")]
    [TestCase(" 0123abcd-89ab-7def-8123-456789abcdef ")]
    public void A_GUID_in_any_form_is_itself(string id) => Assert.That(MessageIds.Parse(id), Is.EqualTo(new Guid("0123abcd-89ab-7def-8123-456789abcdef")));

    [TestCase(null)]
    [TestCase("")]
    [TestCase("  ")]
    public void Nothing_is_no_id(string? id) => Assert.That(MessageIds.Parse(id), Is.Null);

    // The first 16 bytes of Python's hashlib.sha256(id.encode()), with version 8 and the RFC's variant: the same text must be the same message for ever.
    [TestCase("order-4711", "173d0ddb-ff03-8193-bace-7ce60d3f58b4")]
    public void Other_text_is_always_the_same_id(string id, string expected) => Assert.That(MessageIds.Parse(id), Is.EqualTo(new Guid(expected)));

    [Test]
    public void Different_texts_are_different_ids_and_all_are_version_8()
    {
        var ids = Enumerable.Range(0, 1_000).Select(i => MessageIds.Parse($"order-{i}")!.Value).ToList();

        Assert.That(ids, Is.Unique);
        Assert.That(ids.Select(i => (i.Version, i.Variant & 0xC)), Is.All.EqualTo((8, 8)));
    }
}

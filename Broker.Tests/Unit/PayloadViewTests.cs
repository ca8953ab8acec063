using System.Text;
using Broker.Dashboard.Security;
using Outbox;

namespace Broker.Tests.Unit;

/// <summary>What people see of a body.</summary>
internal sealed class PayloadViewTests
{
    private static readonly string[] All = ["$.card.number", "$.items[*].iban", "$..password", "$['a b']", "$.list[1]"];

    [TestCase("""{"card":{"number":"4111","name":"Ada"}}""", "4111")]
    [TestCase("""{"Card":{"Number":4111}}""", "4111")]
    [TestCase("""{"items":[{"iban":"DE1"},{"iban":{"deep":"DE1"}}]}""", "DE1")]
    [TestCase("""{"x":[{"y":{"password":["s3cret"]}}]}""", "s3cret")]
    [TestCase("""{"password":"s3cret"}""", "s3cret")]
    [TestCase("""{"a b":"s3cret"}""", "s3cret")]
    [TestCase("""{"list":["shown","s3cret"]}""", "s3cret")]
    [TestCase("""{"card":{"number":"1"},"card":{"number":"s3cret"}}""", "s3cret")]
    [TestCase("""{"card":{"number":"s3cret"}""", "s3cret")]
    [TestCase("""password=s3cret""", "s3cret")]
    public void What_is_masked_is_never_shown(string body, string secret)
    {
        var shown = Show(body, All);

        Assert.That(shown.Text, Does.Not.Contain(secret));
        Assert.That(shown.IsMasked);
    }

    [Test]
    public void Only_what_is_masked_is_hidden()
    {
        var shown = Show("""{"card":{"number":"4111","name":"Ada"},"number":7,"list":["shown",1]}""", All);

        Assert.That(shown.Text, Does.Contain("Ada").And.Contain("7").And.Contain("shown").And.Contain(PayloadView.Mask));
    }

    [Test]
    public void JSON_is_indented_and_keeps_its_characters() =>
        Assert.That(Show("""{"name":"Ære <b>","n":1.50}""").Text, Is.EqualTo("{\n  \"name\": \"Ære <b>\",\n  \"n\": 1.50\n}".ReplaceLineEndings()));

    [TestCase("hello", PayloadKind.Text)]
    [TestCase("", PayloadKind.Empty)]
    [TestCase("\0\u0001", PayloadKind.Binary)]
    [TestCase("[1,", PayloadKind.Text)]
    [TestCase("\"\\ud800\"", PayloadKind.Text)]
    public void Junk_is_shown_as_what_it_is(string body, object kind) => Assert.That(Show(body).Kind, Is.EqualTo(kind));

    [Test]
    public void No_bytes_make_it_throw()
    {
        var random = new Random(1);
        for (var i = 0; i < 2_000; i++)
        {
            var bytes = new byte[random.Next(64)];
            random.NextBytes(bytes);
            Assert.That(() => new PayloadView([]).Show(bytes), Throws.Nothing);
        }
        Assert.That(() => Show(new string('[', 100_000)), Throws.Nothing);
    }

    [Test]
    public void A_large_body_is_cut()
    {
        var shown = Show("[" + string.Join(',', Enumerable.Repeat("{\"a\":1}", 1_000_000)) + "]");

        Assert.That(shown.IsCut);
        Assert.That(shown.Text, Has.Length.LessThanOrEqualTo(PayloadView.MostCharacters));
        Assert.That(shown.Bytes, Is.EqualTo(8_000_001));
    }

    [TestCase("card.number")]
    [TestCase("$")]
    [TestCase("$.")]
    [TestCase("$.a..")]
    [TestCase("$[x]")]
    [TestCase("$[1")]
    [TestCase("$a")]
    public void A_path_that_is_none_is_refused_with_one_that_is(string path) =>
        Assert.That(() => MaskPath.Parse(path, "Broker:Dashboard:Mask:0"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("Broker:Dashboard:Mask:0").And.Message.Contains("$.card.number"));

    private static Payload Show(string body, params string[] masks) => new PayloadView([.. masks.Select(m => MaskPath.Parse(m, "Mask"))]).Show(Encoding.UTF8.GetBytes(body));
}

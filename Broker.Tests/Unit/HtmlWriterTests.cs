using Broker.Dashboard.Pages;

namespace Broker.Tests.Unit;

/// <summary>What comes through a hole is text, wherever the hole is.</summary>
internal sealed class HtmlWriterTests
{
    [TestCase("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;")]
    [TestCase("\"' onmouseover='x", "&quot;&#39; onmouseover=&#39;x")]
    [TestCase("a & b", "a &amp; b")]
    [TestCase("abc\u202Egnp.exe", "abc\uFFFDgnp.exe")]
    [TestCase("null\0bell\a", "null\uFFFDbell\uFFFD")]
    [TestCase("two\nlines\t", "two\nlines\t")]
    [TestCase(null, "")]
    public void Foreign_text_is_encoded(string? text, string expected) => Assert.That(new HtmlWriter().Write($"<b title=\"{text}\">{text}</b>").ToString(), Is.EqualTo($"<b title=\"{expected}\">{expected}</b>"));

    [TestCase("{ \"a\": 1 }\n\tb", true)]
    [TestCase("", true)]
    [TestCase("two\r\nlines", false)]
    [TestCase("a\u0085b", false)]
    [TestCase("a\u2028b", false)]
    [TestCase("a\u202Eb", false)]
    [TestCase("a\0b", false)]
    public void A_text_that_would_come_back_changed_is_not_offered_for_editing(string text, bool isOffered) => Assert.That(HtmlWriter.ShowsAsItIs(text), Is.EqualTo(isOffered));

    [Test]
    public void What_a_writer_has_written_is_not_encoded_again()
    {
        var part = new HtmlWriter().Write($"<i>{"<"}</i>").ToHtml();

        Assert.That(new HtmlWriter().Write($"<b>{part}{7:N0}{default(HtmlText)}</b>").ToString(), Is.EqualTo("<b><i>&lt;</i>7</b>"));
    }

    [TestCase(0, "0 s")]
    [TestCase(0.042, "42 ms")]
    [TestCase(1.26, "1.3 s")]
    [TestCase(21.4, "21 s")]
    [TestCase(200, "3 min 20 s")]
    [TestCase(1_260, "21 min")]
    [TestCase(18_720, "5 h 12 min")]
    [TestCase(187_200, "2 d 4 h")]
    public void Times_are_told_in_two_parts(double seconds, string expected) => Assert.That(Words.Span(TimeSpan.FromSeconds(seconds)), Is.EqualTo(expected));
}

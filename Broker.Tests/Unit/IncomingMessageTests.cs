using System.Text;
using Outbox.Consumers;

namespace Broker.Tests.Unit;

internal sealed class IncomingMessageTests
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // Not as test cases: neither an attribute nor a test's name can hold half of a pair.
    private static readonly (string? Text, string? Fit)[] Texts =
    [
        (null, null),
        ("", ""),
        ("Zürich", "Zürich"),
        ("12345678", "12345678"),
        ("123456789", "1234567…"),
        ("a\0b", "a\uFFFDb"),
        ("123456😀", "123456😀"),
        ("123456😀9", "123456…"),
        ("12345😀89", "12345😀…"),
        ("a\ud83d", "a\uFFFD"),
        ("\ude00b", "\uFFFDb"),
        ("123456\ud83d89", "123456\uFFFD…"),
    ];

    [Test]
    public void Text_of_others_is_made_to_fit_a_column() => Assert.Multiple(() =>
    {
        foreach (var (text, fit) in Texts)
            Assert.That(IncomingMessage.Fit(text, 8), Is.EqualTo(fit));
    });

    [Test]
    public void Whatever_the_text_and_the_cut_what_fits_can_be_encoded_strictly([Range(2, 12)] int length)
    {
        foreach (var text in (string[])["😀😀😀😀😀😀😀😀", "x😀😀😀😀😀😀😀😀", "\ud83d\ud83d\ude00\ude00\ud83d\ud83d\ude00\ude00\ud83d\ud83d\ude00\ude00\ud83d\ud83d"])
        {
            var fit = IncomingMessage.Fit(text, length)!;

            Assert.That(fit, Has.Length.LessThanOrEqualTo(length));
            Assert.That(() => Strict.GetBytes(fit), Throws.Nothing);
        }
    }
}

using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace Broker.Dashboard.Pages;

/// <summary>Writes HTML. What stands in the code between the holes is HTML; what comes through a hole is text and is encoded, also between the double quotes of an attribute. There is no way to write a variable as HTML.</summary>
/// <remarks>Types, keys, headers, bodies and errors are written by strangers: characters that a person cannot see, or that turn the reading direction, become U+FFFD.</remarks>
internal sealed class HtmlWriter
{
    private readonly StringBuilder _html = new();

    /// <summary>Writes <c>$"…"</c>.</summary>
    public HtmlWriter Write([InterpolatedStringHandlerArgument("")] ref Markup markup)
    {
        _ = markup;
        return this;
    }

    public HtmlText ToHtml() => new(this);

    public override string ToString() => _html.ToString();

    private static string Encode(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        if (text.Any(IsHidden))
            text = string.Create(text.Length, text, (span, from) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = IsHidden(from[i]) ? '\uFFFD' : from[i];
            });
        return WebUtility.HtmlEncode(text);
    }

    /// <summary>Whether a text is shown, and comes back from a form, just as it is: no character is replaced, and no line end is another.</summary>
    internal static bool ShowsAsItIs(string text) => !text.Any(c => IsHidden(c) || c is '\r' or '\u0085' or '\u2028' or '\u2029');

    private static bool IsHidden(char c) => (char.IsControl(c) && c is not ('\n' or '\r' or '\t')) || c is >= '\u202A' and <= '\u202E' or >= '\u2066' and <= '\u2069' or '\u200E' or '\u200F' or '\uFFFE' or '\uFFFF';

    /// <summary>The text of one call.</summary>
    [InterpolatedStringHandler]
    internal readonly ref struct Markup
    {
        private readonly StringBuilder _html;

        public Markup(int literalLength, int formattedCount, HtmlWriter writer)
        {
            _html = writer._html;
            _html.EnsureCapacity(_html.Length + literalLength + (formattedCount * 16));
        }

        public void AppendLiteral(string html) => _html.Append(html);

        public void AppendFormatted(string? text) => _html.Append(Encode(text));

        public void AppendFormatted(HtmlText html) => _html.Append(html.ToString());

        public void AppendFormatted<T>(T value)
            where T : IFormattable => _html.Append(Encode(value.ToString(null, CultureInfo.InvariantCulture)));

        public void AppendFormatted<T>(T value, string? format)
            where T : IFormattable => _html.Append(Encode(value.ToString(format, CultureInfo.InvariantCulture)));
    }
}

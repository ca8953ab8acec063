using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Broker.Dashboard.Security;

/// <summary>Makes of a body what people may see: JSON indented, masked and cut to a size. It throws on nothing. Thread-safe.</summary>
/// <param name="masks">What nobody may see.</param>
internal sealed class PayloadView(IReadOnlyList<MaskPath> masks)
{
    /// <summary>What stands for a masked value.</summary>
    public const string Mask = "•••";

    /// <summary>Most characters of a text.</summary>
    public const int MostCharacters = 64 * 1024;

    private const int MostBytesOfHex = 512;
    private const int BytesOfLine = 16;

    // Readable, because whoever shows it encodes it for where it is shown.
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Shows a body.</summary>
    /// <param name="body">The body.</param>
    /// <param name="mostCharacters">Most characters of the text.</param>
    public Payload Show(ReadOnlyMemory<byte> body, int mostCharacters = MostCharacters)
    {
        if (body.IsEmpty)
            return new Payload("", PayloadKind.Empty, 0, IsCut: false, IsMasked: false);
        if (Json(body, mostCharacters) is { } json)
            return json;
        if (masks.Count > 0)
            return new Payload("Not shown: Broker:Dashboard:Mask hides parts of bodies, and this one is no JSON in which they could be found.", PayloadKind.Hidden, body.Length, IsCut: true, IsMasked: true);
        return Text(body, mostCharacters) ?? Hex(body);
    }

    private Payload? Json(ReadOnlyMemory<byte> body, int most)
    {
        var text = body.Span.StartsWith(Encoding.UTF8.Preamble) ? body[Encoding.UTF8.Preamble.Length..] : body;
        try
        {
            using var document = JsonDocument.Parse(text);
            var buffer = new ArrayBufferWriter<byte>();
            using var writer = new Utf8JsonWriter(buffer, Indented);
            var writing = new Writing(writer, masks, most * 4L);
            writing.Write(document.RootElement);
            writer.Flush();
            var (shown, cut) = Cut(Encoding.UTF8.GetString(buffer.WrittenSpan), most);
            return new Payload(shown, PayloadKind.Json, body.Length, cut || writing.IsFull, writing.IsMasked);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            // No JSON, deeper than anybody nests it, or with half of a character in a string.
            return null;
        }
    }

    private static Payload? Text(ReadOnlyMemory<byte> body, int most)
    {
        try
        {
            var text = Utf8.GetString(body.Span);
            if (text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')))
                return null;
            var (shown, cut) = Cut(text, most);
            return new Payload(shown, PayloadKind.Text, body.Length, cut, IsMasked: false);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static Payload Hex(ReadOnlyMemory<byte> body)
    {
        var lines = body[..Math.Min(body.Length, MostBytesOfHex)].ToArray().Chunk(BytesOfLine)
            .Select((bytes, line) => string.Create(CultureInfo.InvariantCulture, $"{line * BytesOfLine:x4}  {Convert.ToHexStringLower(bytes)}"));
        return new Payload(string.Join('\n', lines), PayloadKind.Binary, body.Length, body.Length > MostBytesOfHex, IsMasked: false);
    }

    private static (string Text, bool IsCut) Cut(string text, int most) =>
        text.Length <= most ? (text, false) : (text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)], true);

    /// <summary>Writes a document until it is long enough, and knows where it is in it.</summary>
    private sealed class Writing(Utf8JsonWriter writer, IReadOnlyList<MaskPath> masks, long mostBytes)
    {
        private readonly List<string> _path = [];

        public bool IsMasked { get; private set; }

        public bool IsFull { get; private set; }

        public void Write(JsonElement value)
        {
            if (writer.BytesCommitted + writer.BytesPending > mostBytes)
                IsFull = true;
            if (IsFull)
                return;
            if (masks.Any(mask => mask.Fits(_path)))
            {
                IsMasked = true;
                writer.WriteStringValue(Mask);
                return;
            }
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    writer.WriteStartObject();
                    foreach (var property in value.EnumerateObject())
                    {
                        if (IsFull)
                            return;
                        writer.WritePropertyName(property.Name);
                        Step(property.Name, property.Value);
                    }
                    writer.WriteEndObject();
                    break;
                case JsonValueKind.Array:
                    writer.WriteStartArray();
                    var number = 0;
                    foreach (var item in value.EnumerateArray())
                    {
                        if (IsFull)
                            return;
                        Step((number++).ToString(CultureInfo.InvariantCulture), item);
                    }
                    writer.WriteEndArray();
                    break;
                default:
                    value.WriteTo(writer);
                    break;
            }
        }

        private void Step(string name, JsonElement value)
        {
            _path.Add(name);
            Write(value);
            _path.RemoveAt(_path.Count - 1);
        }
    }
}

using System.Globalization;
using System.Text;
using RabbitMQ.Client;

namespace Outbox.RabbitMQ;

/// <summary>Headers of any sender: text and numbers as text, everything else left out.</summary>
internal static class ForeignHeaders
{
    public static Dictionary<string, string> Read(IReadOnlyBasicProperties properties)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        if (properties.Headers is null)
            return headers;
        foreach (var (name, value) in properties.Headers)
        {
            var text = value switch
            {
                byte[] bytes => Encoding.UTF8.GetString(bytes),
                string s => s,
                AmqpTimestamp timestamp => timestamp.UnixTime.ToString(CultureInfo.InvariantCulture),
                IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
                bool flag => flag ? "true" : "false",
                _ => null,
            };
            if (text is not null)
                headers[name] = text;
        }
        return headers;
    }
}

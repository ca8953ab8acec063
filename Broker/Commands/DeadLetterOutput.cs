using System.Globalization;
using System.Text;
using Broker.Relay;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Spectre.Console;

namespace Broker.Commands;

/// <summary>Dead letters as they are shown.</summary>
internal static class DeadLetterOutput
{
    /// <summary>Bytes of a body that are shown unless all of it is wanted.</summary>
    public const int ShownBody = 4_096;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void WriteList(string source, IReadOnlyList<DeadLetterDesk.Letter> letters, bool isMore, bool asJson)
    {
        long? next = isMore ? letters[^1].Id : null;
        if (asJson)
        {
            Output.WriteJson(new { source, deadLetters = letters.Select(Shape), next });
            return;
        }
        if (letters.Count == 0)
        {
            Console.WriteLine($"Source '{source}': no dead letters.");
            return;
        }
        var table = Output.Table("|id", "first failed (UTC)", "last failed (UTC)", "|attempts", "consumer", "type", "key", "blocks its key", "reason");
        foreach (var letter in letters)
        {
            table.AddRow(
                Output.Cell(letter.Id.ToString(CultureInfo.InvariantCulture)), Output.Cell(Output.Time(letter.FirstFailedAt)), Output.Cell(Output.Time(letter.LastFailedAt)), Output.Cell(letter.Attempts),
                Output.Cell(letter.Consumer ?? "(relay)"), Output.Cell(letter.Type), Output.Cell(letter.Key), Output.Cell(letter.Blocks ? "yes" : "no"), Output.Cell(letter.Reason));
        }
        Output.Write(table);
        if (next is not null)
            Console.WriteLine($"There are more: --after {next}");
    }

    public static void WriteDetail(string source, DeadLetterDesk.Detail detail, bool asJson)
    {
        var letter = detail.Letter;
        var text = TextOf(detail);
        if (asJson)
        {
            Output.WriteJson(new
            {
                source,
                deadLetter = Shape(letter),
                detail.OriginalId,
                detail.ContentType,
                headers = detail.Headers,
                detail.Error,
                detail.Partition,
                detail.KeySequence,
                detail.CreatedAt,
                detail.ExpiresAt,
                detail.BodyLength,
                body = text,
                bodyBase64 = text is null ? Convert.ToBase64String(detail.Body) : null,
                actions = detail.Acts.Select(Shape),
            });
            return;
        }
        var table = Output.Table("", "").HideHeaders();
        void Row(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                table.AddRow(Output.Cell(name), Output.Cell(value));
        }
        Row("dead letter", string.Create(CultureInfo.InvariantCulture, $"{letter.Id} of source '{source}', {letter.State}{(letter.Blocks && letter.Key is not null ? ": the later messages of its key wait for it" : "")}"));
        Row("side", letter.Consumer is { } consumer ? $"consumer '{consumer}'" : string.Create(CultureInfo.InvariantCulture, $"relay, partition {detail.Partition}, sequence {letter.Sequence}"));
        Row("message", letter.MessageId.Length > 0 ? letter.MessageId : $"without an id{(detail.OriginalId is { Length: > 0 } original ? $" ('{original}')" : "")}");
        Row("type", letter.Type);
        Row("key", letter.Key);
        Row("from", letter.Source);
        Row("written", Output.Time(detail.CreatedAt));
        Row("first failed", Output.Time(letter.FirstFailedAt));
        Row("last failed", Output.Time(letter.LastFailedAt));
        Row("attempts", letter.Attempts.ToString(CultureInfo.InvariantCulture));
        Row("reason", letter.Reason);
        Row("headers", detail.Headers);
        foreach (var act in detail.Acts)
            Row("done", $"{Output.Time(act.At)} {act.What} by {act.Actor}{(act.Reason is { } why ? $": {why}" : "")}{(act.KeepsBody ? " (the body from before is kept)" : "")}");
        Output.Write(table);
        if (detail.Error is { Length: > 0 } error)
            Console.WriteLine($"\n{Output.Safe(error, keepsLines: true)}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nbody, {detail.BodyLength:N0} bytes of {detail.ContentType ?? "no type"}{(detail.Body.Length < detail.BodyLength ? $", the first {detail.Body.Length:N0} (--full shows all)" : "")}:"));
        Console.WriteLine(text is null ? Convert.ToBase64String(detail.Body) : Output.Safe(Pretty(text), keepsLines: true));
    }

    public static void WriteHistory(string source, IReadOnlyList<DeadLetterDesk.Act> acts, bool asJson)
    {
        if (asJson)
        {
            Output.WriteJson(new { source, actions = acts.Select(Shape) });
            return;
        }
        if (acts.Count == 0)
        {
            Console.WriteLine($"Source '{source}': nothing was done with dead letters.");
            return;
        }
        var table = Output.Table("at (UTC)", "|id", "consumer", "message", "what", "by", "reason");
        foreach (var act in acts)
        {
            table.AddRow(
                Output.Cell(Output.Time(act.At)), Output.Cell(act.Id.ToString(CultureInfo.InvariantCulture)), Output.Cell(act.Consumer ?? "(relay)"), Output.Cell(act.MessageId), Output.Cell(act.What), Output.Cell(act.Actor), Output.Cell(act.Reason));
        }
        Output.Write(table);
    }

    private static object Shape(DeadLetterDesk.Letter letter) => new
    {
        letter.Id,
        letter.State,
        Side = letter.Consumer is null ? "relay" : "consumer",
        letter.Consumer,
        Sequence = letter.Consumer is null ? letter.Sequence : (long?)null,
        letter.Type,
        letter.Key,
        MessageId = letter.MessageId.Length > 0 ? letter.MessageId : null,
        letter.Reason,
        letter.Attempts,
        letter.FirstFailedAt,
        letter.LastFailedAt,
        letter.Source,
    };

    private static object Shape(DeadLetterDesk.Act act) => new { act.At, deadLetterId = act.Id, act.Consumer, act.MessageId, action = act.What, act.Actor, act.Reason, act.KeepsBody };

    /// <summary>The body as text, if it is one; a character that was cut in two at the end is left away.</summary>
    private static string? TextOf(DeadLetterDesk.Detail detail)
    {
        var isCut = detail.Body.Length < detail.BodyLength;
        for (var cut = 0; cut < 4 && cut <= detail.Body.Length; cut++)
        {
            try
            {
                return Strict.GetString(detail.Body, 0, detail.Body.Length - cut);
            }
            catch (DecoderFallbackException) when (isCut)
            {
                // Perhaps the last character goes on behind the cut.
            }
            catch (DecoderFallbackException)
            {
                return null;
            }
        }
        return null;
    }

    private static string Pretty(string text)
    {
        try
        {
            using var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None, FloatParseHandling = FloatParseHandling.Decimal, MaxDepth = 64 };
            return JToken.ReadFrom(reader).ToString(Formatting.Indented);
        }
        catch (JsonException)
        {
            return text;
        }
    }
}

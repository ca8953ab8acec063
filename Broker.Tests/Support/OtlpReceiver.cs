using System.Collections.Concurrent;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Broker.Tests.Support;

/// <summary>Takes what processes export by OTLP over HTTP, and reads the spans out of it.</summary>
/// <remarks>By field numbers, because no package brings OpenTelemetry's messages: see opentelemetry/proto/trace/v1/trace.proto.</remarks>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly ConcurrentQueue<string> _signals = new();

    /// <summary>A span as it was exported.</summary>
    internal sealed record Span(string Service, string TraceId, string SpanId, string ParentId, string Name, int Kind, IReadOnlyDictionary<string, string> Attributes);

    private OtlpReceiver(WebApplication app) => _app = app;

    public string Endpoint => _app.Urls.Single();

    public IReadOnlyList<Span> Spans => [.. _spans];

    /// <summary>The paths that something was sent to.</summary>
    public IReadOnlyList<string> Signals => [.. _signals];

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new OtlpReceiver(app);
        app.Run(receiver.TakeAsync);
        await app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        _signals.Enqueue(context.Request.Path);
        if (context.Request.Path == "/v1/traces")
        {
            foreach (var resourceSpans in Fields(body.ToArray(), 1))
                ReadResource(resourceSpans);
        }
    }

    private void ReadResource(byte[] resourceSpans)
    {
        var service = Fields(resourceSpans, 1).SelectMany(Attributes(1)).FirstOrDefault(a => a.Key == "service.name").Value ?? "";
        foreach (var span in Fields(resourceSpans, 2).SelectMany(scope => Fields(scope, 2)))
        {
            _spans.Enqueue(new Span(
                service, Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5), Kind(span),
                Attributes(9)(span).ToDictionary(a => a.Key, a => a.Value, StringComparer.Ordinal)));
        }
    }

    private static Func<byte[], IEnumerable<KeyValuePair<string, string>>> Attributes(int field) =>
        message => Fields(message, field).Select(a => new KeyValuePair<string, string>(Text(a, 1), Fields(a, 2).Select(v => Text(v, 1)).FirstOrDefault() ?? ""));

    private static string Hex(byte[] message, int field) => Convert.ToHexStringLower(Fields(message, field).FirstOrDefault() ?? []);

    private static string Text(byte[] message, int field) => System.Text.Encoding.UTF8.GetString(Fields(message, field).FirstOrDefault() ?? []);

    private static int Kind(byte[] span)
    {
        using var input = new CodedInputStream(span);
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == 6)
                return input.ReadEnum();
            input.SkipLastField();
        }
        return 0;
    }

    /// <summary>The fields of a message that are messages, texts or bytes themselves.</summary>
    private static List<byte[]> Fields(byte[] message, int field)
    {
        var found = new List<byte[]>();
        using var input = new CodedInputStream(message);
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == field && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
                found.Add(input.ReadBytes().ToByteArray());
            else
                input.SkipLastField();
        }
        return found;
    }
}

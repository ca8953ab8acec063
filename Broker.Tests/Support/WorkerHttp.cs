using System.Net;
using System.Net.Sockets;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Broker.Tests.Support;

/// <summary>A worker that listens, and what it answers to probes and scrapers.</summary>
internal sealed class WorkerHttp : IAsyncDisposable
{
    private readonly HttpClient _client;

    private WorkerHttp(WorkerProcess process, Uri address) => (Process, _client) = (process, new HttpClient { BaseAddress = address });

    public WorkerProcess Process { get; }

    /// <summary>Where it listens.</summary>
    public Uri Address => _client.BaseAddress!;

    /// <param name="configuration">The object under <c>Broker</c>.</param>
    /// <param name="file">The file to write it to.</param>
    /// <param name="roles">Its roles.</param>
    public static WorkerHttp Start(object configuration, string? file = null, string roles = "relay")
    {
        file ??= Path.Combine(TestServers.Folder, "worker.json");
        File.WriteAllText(file, JsonConvert.SerializeObject(new { Broker = configuration }));
        var address = $"http://127.0.0.1:{TestPort.Next()}";
        return new WorkerHttp(WorkerProcess.Run(Path.GetDirectoryName(file)!, "run", "--roles", roles, "--urls", address, "--config", file), new Uri(address));
    }

    /// <summary>What it answers; null while it does not listen.</summary>
    public async Task<(HttpStatusCode Code, string Text)?> GetAsync(string path)
    {
        try
        {
            using var response = await _client.GetAsync(path);
            return (response.StatusCode, await response.Content.ReadAsStringAsync());
        }
        catch (Exception exception) when (exception is HttpRequestException or SocketException)
        {
            return null;
        }
    }

    /// <summary>Waits until a part of its health is in a state, and gives the code of the answer and the part.</summary>
    public async Task<(HttpStatusCode Code, JObject Part)> HealthBecomesAsync(string path, string part, string state)
    {
        (HttpStatusCode Code, JObject Part) found = default;
        await Eventually.IsTrueAsync(async () =>
        {
            if (await GetAsync(path) is not { } answer || JObject.Parse(answer.Text)["parts"]![part] is not JObject now)
                return false;
            found = (answer.Code, now);
            return (string?)now["state"] == state;
        }, $"{path}: {part} is {state}; the worker said:\n{Process.Output}");
        return found;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await Process.DisposeAsync();
    }
}

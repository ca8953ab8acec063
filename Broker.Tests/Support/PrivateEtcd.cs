using System.Globalization;
using Newtonsoft.Json.Linq;

namespace Broker.Tests.Support;

/// <summary>An etcd cluster of three nodes.</summary>
internal sealed class PrivateEtcd : IAsyncDisposable
{
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(2) };
    private readonly List<(string Endpoint, ServerProcess Process)> _nodes = [];

    public IReadOnlyList<string> Endpoints { get; private init; } = [];

    public static async Task<PrivateEtcd> StartAsync()
    {
        var ports = ServerProcess.FreePorts(6);
        string Client(int node) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports[node]}");
        string Peer(int node) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports[node + 3]}");
        var cluster = new PrivateEtcd { Endpoints = [.. Enumerable.Range(0, 3).Select(Client)] };
        var members = string.Join(',', Enumerable.Range(0, 3).Select(n => $"n{n}={Peer(n)}"));
        for (var node = 0; node < 3; node++)
        {
            cluster._nodes.Add((Client(node), ServerProcess.Start("etcd", "--name", $"n{node}", "--data-dir", Path.Combine(TestServers.Folder, "data"), "--listen-client-urls", Client(node), "--advertise-client-urls", Client(node),
                "--listen-peer-urls", Peer(node), "--initial-advertise-peer-urls", Peer(node), "--initial-cluster", members, "--initial-cluster-token", $"tests-{ports[0]}", "--logger", "zap")));
        }
        await Eventually.IsTrueAsync(async () => await cluster.LeaderAsync() is not null, "the cluster has a leader");
        return cluster;
    }

    /// <summary>SIGKILL for the node that leads.</summary>
    public async Task KillLeaderAsync() => await (await LeaderAsync())!.KillAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, process) in _nodes)
            await process.DisposeAsync();
        _http.Dispose();
    }

    private async Task<ServerProcess?> LeaderAsync()
    {
        foreach (var (endpoint, process) in _nodes)
        {
            try
            {
                using var answer = await _http.PostAsync(new Uri(endpoint + "/v3/maintenance/status"), new StringContent("{}"));
                var status = JObject.Parse(await answer.Content.ReadAsStringAsync());
                if ((string?)status["leader"] is { } leader and not "0" && leader == (string?)status["header"]!["member_id"])
                    return process;
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
            {
                // It is not up yet.
            }
        }
        return null;
    }
}

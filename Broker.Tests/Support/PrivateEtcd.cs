using System.Globalization;
using Newtonsoft.Json.Linq;

namespace Broker.Tests.Support;

/// <summary>An etcd cluster of three nodes, each of which can be killed and started again.</summary>
internal sealed class PrivateEtcd : IAsyncDisposable
{
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(2) };
    private readonly List<Node> _nodes = [];

    /// <summary>One node. It keeps what it knows in a folder, over its deaths.</summary>
    internal sealed class Node(string endpoint, params string[] arguments) : IAsyncDisposable
    {
        private readonly string _folder = TestServers.Folder;
        private ServerProcess? _process;

        public string Endpoint => endpoint;

        public int Deaths { get; private set; }

        public void Start() => _process = ServerProcess.Start("etcd", ["--data-dir", Path.Combine(_folder, "data"), .. arguments]);

        /// <summary>SIGKILL.</summary>
        public async ValueTask DisposeAsync()
        {
            if (_process is not { } process)
                return;
            _process = null;
            Deaths++;
            await process.DisposeAsync();
        }
    }

    public IReadOnlyList<string> Endpoints => [.. _nodes.Select(n => n.Endpoint)];

    /// <summary>How often each node was killed.</summary>
    public IReadOnlyList<int> Deaths => [.. _nodes.Select(n => n.Deaths)];

    public static async Task<PrivateEtcd> StartAsync()
    {
        var ports = Enumerable.Range(0, 6).Select(_ => TestPort.Next()).ToArray();
        string Client(int node) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports[node]}");
        string Peer(int node) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports[node + 3]}");
        var cluster = new PrivateEtcd();
        var members = string.Join(',', Enumerable.Range(0, 3).Select(n => $"n{n}={Peer(n)}"));
        for (var node = 0; node < 3; node++)
        {
            cluster._nodes.Add(new Node(Client(node), "--name", $"n{node}", "--listen-client-urls", Client(node), "--advertise-client-urls", Client(node),
                "--listen-peer-urls", Peer(node), "--initial-advertise-peer-urls", Peer(node), "--initial-cluster", members, "--initial-cluster-token", $"tests-{ports[0]}", "--logger", "zap"));
            cluster._nodes[node].Start();
        }
        await Eventually.IsTrueAsync(async () => (await cluster.LooksAsync()).Any(l => l.Leads), "the cluster has a leader");
        return cluster;
    }

    /// <summary>SIGKILL for the node that leads.</summary>
    public Task<Node> KillLeaderAsync() => KillAsync(leads: true);

    /// <summary>SIGKILL for a node that was not killed before, if there is one, whether it leads or not.</summary>
    public Task<Node> KillNextAsync() => KillAsync(leads: null);

    /// <summary>SIGKILL for a node that follows; one that was not killed before, if there is one.</summary>
    public Task<Node> KillFollowerAsync() => KillAsync(leads: false);

    /// <summary>Waits until all three nodes have the same leader and have applied what it has.</summary>
    public Task WholeAsync() => Eventually.IsTrueAsync(
        async () =>
        {
            var looks = await LooksAsync();
            return looks.Count == 3 && looks.DistinctBy(l => l.Leader).Count() == 1 && looks.Any(l => l.Leads) && looks.Min(l => l.Applied) >= looks.Max(l => l.Applied) - 50;
        },
        "all nodes are there");

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
        _http.Dispose();
    }

    private async Task<Node> KillAsync(bool? leads)
    {
        var node = (await LooksAsync()).Where(l => leads is null || l.Leads == leads).MinBy(l => l.Node.Deaths).Node;
        await node.DisposeAsync();
        return node;
    }

    /// <summary>What the nodes that answer say.</summary>
    private async Task<IReadOnlyList<(Node Node, string Leader, bool Leads, long Applied)>> LooksAsync()
    {
        var looks = new List<(Node, string, bool, long)>();
        foreach (var node in _nodes)
        {
            try
            {
                using var answer = await _http.PostAsync(new Uri(node.Endpoint + "/v3/maintenance/status"), new StringContent("{}"));
                var status = JObject.Parse(await answer.Content.ReadAsStringAsync());
                if ((string?)status["leader"] is { } leader and not "0")
                    looks.Add((node, leader, leader == (string?)status["header"]!["member_id"], (long)status["raftAppliedIndex"]!));
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
            {
                // It is not up.
            }
        }
        return looks;
    }
}

using System.Globalization;

namespace Broker.Tests.Support;

/// <summary>A server for one test alone, which may kill it: <c>postgres</c> or <c>mariadb</c> by docker/servers.sh, in a folder and on a port of its own.</summary>
internal sealed class OwnServer : IDisposable
{
    private readonly string _name;
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"broker-servers-{Guid.CreateVersion7():N}");

    private OwnServer(string name) => _name = name;

    public int Port { get; } = TestPort.Next();

    /// <summary>Starts one. Skips the test when servers are not ours to start.</summary>
    public static OwnServer Start(string name)
    {
        if (Environment.GetEnvironmentVariable("BROKER_SERVERS") is null)
            Assert.Ignore("The servers were not started by docker/servers.sh, so it may not start one to be killed either.");
        var server = new OwnServer(name);
        server.Start();
        return server;
    }

    public void Start() => Run("start");

    /// <summary>As a crash would.</summary>
    public void Kill()
    {
        Run("kill");
        // A dead process that its parent has not yet been told of looks alive to PostgreSQL, which would refuse to start for as long.
        File.Delete(Path.Combine(_folder, _name, "data", "postmaster.pid"));
    }

    public void Dispose()
    {
        Run("stop");
        Directory.Delete(_folder, recursive: true);
    }

    private void Run(string verb)
    {
        var (code, output) = TestServers.Start(
            "env", $"BROKER_SERVERS_DIR={_folder}", string.Create(CultureInfo.InvariantCulture, $"BROKER_{_name.ToUpperInvariant()}_PORT={Port}"), "bash", Environment.GetEnvironmentVariable("BROKER_SERVERS")!, verb, _name);
        Assert.That(code, Is.Zero, output);
    }
}

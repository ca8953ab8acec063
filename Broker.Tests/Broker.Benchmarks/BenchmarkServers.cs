using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Broker.Benchmarks;

/// <summary>The servers to measure on: those given, those of the environment, or those that <c>docker/servers.sh</c> starts, which are then stopped again.</summary>
internal sealed partial class BenchmarkServers : IDisposable
{
    private readonly Dictionary<string, string> _connections = [];
    private readonly List<string> _started = [];

    /// <summary>Where a server is: <c>rabbitmq</c>, <c>postgres</c>, <c>mariadb</c> or <c>sqlserver</c>.</summary>
    public string this[string name] => _connections[name];

    /// <summary>Finds servers by name, each with the address that was given for it, or null.</summary>
    public static BenchmarkServers Find(params (string Name, string? Given)[] wanted)
    {
        var servers = new BenchmarkServers();
        var missing = new List<string>();
        foreach (var (name, given) in wanted)
        {
            if ((given ?? Environment.GetEnvironmentVariable(Variable(name))) is { Length: > 0 } connection)
                servers._connections[name] = connection;
            else if (name == "sqlserver")
                throw new InvalidOperationException("SQL Server cannot be started here: set BROKER_TEST_SQLSERVER to the connection string of one.");
            else
                missing.Add(name);
        }
        if (missing.Count == 0)
            return servers;

        var script = Script();
        servers._started.AddRange(missing.Where(name => Run(script, "status", name).Code != 0));
        if (servers._started.Count > 0)
        {
            Console.WriteLine($"Starting {string.Join(", ", servers._started)} by docker/servers.sh …");
            var (code, output) = Run(script, ["start", .. servers._started]);
            if (code != 0)
                throw new InvalidOperationException($"docker/servers.sh could not start them:\n{output}");
        }
        foreach (Match export in Export().Matches(Run(script, ["env", .. missing]).Output))
        {
            if (missing.FirstOrDefault(name => Variable(name) == export.Groups[1].Value) is { } name)
                servers._connections[name] = export.Groups[2].Value;
        }
        return servers;
    }

    public void Dispose()
    {
        if (_started.Count > 0)
            Run(Script(), ["stop", .. _started]);
    }

    private static string Variable(string name) => "BROKER_TEST_" + name.ToUpperInvariant();

    private static string Script()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "docker", "servers.sh");
            if (File.Exists(script))
                return script;
        }
        throw new InvalidOperationException("No servers: set BROKER_TEST_RABBITMQ, BROKER_TEST_POSTGRES and so on.");
    }

    private static (int Code, string Output) Run(string script, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("bash", [script, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.GetAwaiter().GetResult());
    }

    [GeneratedRegex("export ([A-Z_]+)='([^']*)'")]
    private static partial Regex Export();
}

using System.Diagnostics;
using System.Text.RegularExpressions;
using Outbox;
using Outbox.Sql;

namespace Broker.Bench;

/// <summary>The servers to measure on: those given, those of the environment, or those that <c>docker/servers.sh</c> starts, which are then stopped again.</summary>
internal sealed partial class BenchServers : IDisposable
{
    private readonly Dictionary<string, string> _connections = [];
    private readonly List<string> _started = [];

    /// <summary>Where a server is: <c>rabbitmq</c>, <c>postgres</c>, <c>mariadb</c> or <c>sqlserver</c>.</summary>
    public string this[string name] => _connections[name];

    /// <summary>The server of an engine; null for one without a server.</summary>
    public static string? NameOf(SqlDialect dialect) => dialect.Name switch { "SqlServer" => "sqlserver", "PostgreSql" => "postgres", "MySql" => "mariadb", _ => null };

    /// <summary>Finds servers by name, each with the address that was given for it, or null.</summary>
    /// <exception cref="OutboxConfigurationException">One of them is not known and cannot be started; the message says what to give.</exception>
    public static BenchServers Find(params IEnumerable<(string Name, string? Given)> wanted)
    {
        var servers = new BenchServers();
        var missing = new List<string>();
        foreach (var (name, given) in wanted)
        {
            if ((given ?? Environment.GetEnvironmentVariable(Variable(name))) is { Length: > 0 } connection)
                servers._connections[name] = connection;
            else
                missing.Add(name);
        }
        if (missing.Count > 0)
            servers.Start(missing);
        return servers;
    }

    public void Dispose()
    {
        if (_started.Count > 0 && Script() is { } script)
            Run(script, ["stop", .. _started]);
        _started.Clear();
    }

    private void Start(List<string> missing)
    {
        var script = Script();
        if (script is null || missing.Contains("sqlserver"))
            throw new OutboxConfigurationException($"Which {missing[^1]} server? Give {(missing[^1] == "rabbitmq" ? "--rabbitmq amqp://user:password@host/" : "--connection-string")}, or set {Variable(missing[^1])}.");
        _started.AddRange(missing.Where(name => Run(script, "status", name).Code != 0));
        if (_started.Count > 0)
        {
            Console.WriteLine($"Starting {string.Join(", ", _started)} by docker/servers.sh …");
            var (code, output) = Run(script, ["start", .. _started]);
            if (code != 0)
            {
                Dispose();
                throw new OutboxConfigurationException($"docker/servers.sh could not start {string.Join(", ", missing)}; give the servers by --rabbitmq and --connection-string.\n{output}");
            }
        }
        foreach (Match export in Export().Matches(Run(script, ["env", .. missing]).Output))
        {
            if (missing.FirstOrDefault(name => Variable(name) == export.Groups[1].Value) is { } name)
                _connections[name] = export.Groups[2].Value;
        }
        if (missing.FirstOrDefault(name => !_connections.ContainsKey(name)) is { } absent)
        {
            Dispose();
            throw new OutboxConfigurationException($"docker/servers.sh started {absent}, but it does not answer. Look at docker/servers.sh status.");
        }
    }

    private static string Variable(string name) => "BROKER_TEST_" + name.ToUpperInvariant();

    /// <summary>The script, if this program was built in the repository.</summary>
    private static string? Script()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "docker", "servers.sh");
            if (File.Exists(script))
                return script;
        }
        return null;
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

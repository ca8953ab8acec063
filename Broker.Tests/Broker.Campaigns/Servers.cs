using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Broker.Campaigns;

/// <summary>The servers of a campaign: those of the environment, or those that <c>docker/servers.sh</c> starts, which are then stopped again.</summary>
internal sealed partial class Servers : IDisposable
{
    private readonly Dictionary<string, string> _variables = [];
    private readonly List<string[]> _toStop = [];

    /// <summary>Where a server is: the value of a variable such as BROKER_TEST_RABBITMQ.</summary>
    public string this[string variable] => _variables.TryGetValue(variable, out var value) ? value : throw new InvalidOperationException($"{variable} is not set, and docker/servers.sh does not tell it.");

    public Uri RabbitMq => new(this["BROKER_TEST_RABBITMQ"]);

    /// <summary>Finds or starts servers by their names: <c>rabbitmq</c>, <c>postgres</c>, <c>mariadb</c>, or <c>cluster</c> for three RabbitMQ nodes.</summary>
    public static Servers Find(params IEnumerable<string> names)
    {
        var servers = new Servers();
        foreach (var name in names.Distinct())
            servers.Find(name);
        return servers;
    }

    /// <summary>Runs docker/servers.sh and returns what it says.</summary>
    public static string Script(params string[] arguments)
    {
        var (code, output) = TryScript(arguments);
        return code == 0 ? output.Trim() : throw new InvalidOperationException($"docker/servers.sh {string.Join(' ', arguments)} failed:\n{output}");
    }

    public static (int Code, string Output) TryScript(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("bash", [ScriptFile(), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        foreach (var stop in _toStop)
            TryScript(stop);
    }

    private void Find(string name)
    {
        var variable = "BROKER_TEST_" + name.ToUpperInvariant();
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given && name != "cluster")
        {
            _variables[variable] = given;
            return;
        }
        string[] prefix = name == "cluster" ? ["cluster"] : [], suffix = name == "cluster" ? [] : [name];
        if (TryScript([.. prefix, "status", .. suffix]).Code != 0)
        {
            Console.WriteLine($"Starting {name} by docker/servers.sh …");
            _toStop.Add([.. prefix, "stop", .. suffix]);
            Script([.. prefix, "start", .. suffix]);
        }
        foreach (Match export in Export().Matches(Script([.. prefix, "env", .. suffix])))
            _variables[export.Groups[1].Value] = export.Groups[2].Value;
    }

    private static string ScriptFile()
    {
        if (Environment.GetEnvironmentVariable("BROKER_SERVERS") is { Length: > 0 } given)
            return given;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "docker", "servers.sh");
            if (File.Exists(script))
                return script;
        }
        throw new InvalidOperationException("docker/servers.sh is not found: set BROKER_SERVERS to its path, or BROKER_TEST_RABBITMQ, BROKER_TEST_POSTGRES and so on to servers of your own.");
    }

    [GeneratedRegex("export ([A-Z_]+)='([^']*)'")]
    private static partial Regex Export();
}

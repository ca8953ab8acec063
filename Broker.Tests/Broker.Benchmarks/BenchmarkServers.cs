using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Broker.Benchmarks;

/// <summary>The servers to measure on: those given, those of the environment, or those that <c>docker/servers.sh</c> starts, which are then stopped again.</summary>
internal sealed partial class BenchmarkServers : IDisposable
{
    private string? _started;

    private BenchmarkServers(string rabbitMq, string postgreSql) => (RabbitMq, PostgreSql) = (rabbitMq, postgreSql);

    public string RabbitMq { get; }

    public string PostgreSql { get; }

    public static BenchmarkServers Find(string? rabbitMq, string? postgreSql)
    {
        rabbitMq ??= Environment.GetEnvironmentVariable("BROKER_TEST_RABBITMQ");
        postgreSql ??= Environment.GetEnvironmentVariable("BROKER_TEST_POSTGRES");
        if (rabbitMq is not null && postgreSql is not null)
            return new BenchmarkServers(rabbitMq, postgreSql);

        var script = Script();
        var isRunning = Run(script, "status", "rabbitmq", "postgres").Code == 0;
        if (!isRunning)
        {
            Console.WriteLine("Starting RabbitMQ and PostgreSQL by docker/servers.sh …");
            var (code, output) = Run(script, "start", "rabbitmq", "postgres");
            if (code != 0)
                throw new InvalidOperationException($"docker/servers.sh could not start them:\n{output}\nGive --rabbitmq and --postgres instead.");
        }
        var environment = Export().Matches(Run(script, "env", "rabbitmq", "postgres").Output).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
        return new BenchmarkServers(rabbitMq ?? environment["BROKER_TEST_RABBITMQ"], postgreSql ?? environment["BROKER_TEST_POSTGRES"]) { _started = isRunning ? null : script };
    }

    public void Dispose()
    {
        if (_started is not null)
            Run(_started, "stop", "rabbitmq", "postgres");
    }

    private static string Script()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "docker", "servers.sh");
            if (File.Exists(script))
                return script;
        }
        throw new InvalidOperationException("No servers: give --rabbitmq and --postgres, or set BROKER_TEST_RABBITMQ and BROKER_TEST_POSTGRES.");
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

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Newtonsoft.Json;

namespace Broker.Tests.Support;

/// <summary>A real worker, <c>broker run</c>, in a process of its own.</summary>
internal sealed class WorkerProcess : IAsyncDisposable
{
    /// <summary>The program as it is built, beside the tests: what lies among the tests' own files has their dependencies, not its own.</summary>
    private static readonly string Program = BuiltProgram.Path("Broker");

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private WorkerProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Everything it has written so far.</summary>
    public string Output => string.Join('\n', _output);

    public bool HasExited => _process.HasExited;

    /// <summary>Starts a worker with a configuration, written to a file of its own.</summary>
    /// <param name="configuration">The object under <c>Broker</c>, or JSON text for the whole file.</param>
    public static WorkerProcess Start(object configuration)
    {
        var folder = TestServers.Folder;
        var file = Path.Combine(folder, "worker.json");
        File.WriteAllText(file, configuration as string ?? JsonConvert.SerializeObject(new { Broker = configuration }));
        return Run(folder, "run", "--roles", "relay", "--config", file);
    }

    /// <summary>Starts the program with arguments of any kind, in a folder of its own.</summary>
    public static WorkerProcess Run(string folder, params string[] arguments)
    {
        // The tests may run under nohup or in a shell's background, where Ctrl-C and SIGHUP are ignored, and children inherit that.
        var (program, before) = OperatingSystem.IsLinux() ? ("env", new[] { "--default-signal", "dotnet" }) : ("dotnet", []);
        var start = new ProcessStartInfo(program, [.. before, Program, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        return new WorkerProcess(Process.Start(start)!);
    }

    public static object Source(TestDatabase database) => new { Database = database.Dialect.Name, database.ConnectionString };

    /// <summary>Waits for text in its output.</summary>
    public Task SaysAsync(string text) => Eventually.IsTrueAsync(() => Task.FromResult(Output.Contains(text, StringComparison.Ordinal)), $"the worker says '{text}', but it said:\n{Output}\n");

    /// <summary>Ends it with SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Ends it with SIGTERM and returns its exit code.</summary>
    public Task<int> TerminateAsync() => SignalAsync("TERM");

    /// <summary>Ends it as Ctrl-C does and returns its exit code.</summary>
    public Task<int> InterruptAsync() => SignalAsync("INT");

    /// <summary>Asks it to read its configuration again.</summary>
    public void Hangup() => Signal("HUP");

    private void Signal(string signal) => Process.Start("kill", $"-{signal} {_process.Id}").WaitForExit();

    private async Task<int> SignalAsync(string signal)
    {
        Signal(signal);
        return await ExitAsync(TimeSpan.FromSeconds(15));
    }

    /// <summary>Waits for its end and returns its exit code.</summary>
    public async Task<int> ExitAsync(TimeSpan within)
    {
        using var limit = new CancellationTokenSource(within);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        TestContext.Out.WriteLine(Output);
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is not null)
            _output.Enqueue(line);
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Shop.Conductor;

/// <summary>A .NET program in a process of its own, with its output in a log file. It is ended through its own handle, never by name.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int SigTerm = 15;
    private const int RememberedLines = 15;
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly Queue<string> _lastLines = new();

    private ChildProcess(string name, Process process, StreamWriter log) => (Name, _process, _log) = (name, process, log);

    public string Name { get; }

    /// <summary>Completes when the process has ended and its output is written.</summary>
    public required Task Ended { get; init; }

    public int ExitCode => _process.ExitCode;

    public bool IsWantedToEnd { get; private set; }

    /// <summary>The end of its log, for an error message.</summary>
    public string LastWords
    {
        get
        {
            lock (_lastLines)
                return $"{Environment.NewLine}The end of {Name}.log:{Environment.NewLine}{string.Join(Environment.NewLine, _lastLines)}{Environment.NewLine}";
        }
    }

    public static ChildProcess Start(string name, string program, string[] arguments, string folder)
    {
        var process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [program, .. arguments])
            {
                WorkingDirectory = folder,
                // Never written to: its end tells a service that the conductor is gone.
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        // Appended to: a restarted worker goes on in the same log.
        var log = new StreamWriter(Path.Combine(folder, name + ".log"), append: true) { AutoFlush = true };
        ChildProcess? child = null;
        void Write(object sender, DataReceivedEventArgs output) => child!.Remember(output.Data);
        process.OutputDataReceived += Write;
        process.ErrorDataReceived += Write;
        process.Start();
        child = new ChildProcess(name, process, log) { Ended = process.WaitForExitAsync() };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>SIGKILL: no goodbye, as in a crash.</summary>
    public Task KillAsync()
    {
        IsWantedToEnd = true;
        _process.Kill();
        return Ended;
    }

    /// <summary>SIGTERM, and SIGKILL for one that does not listen.</summary>
    public async Task StopAsync()
    {
        IsWantedToEnd = true;
        if (_process.HasExited)
            return;
        if (OperatingSystem.IsWindows())
            _process.Kill();
        else
            _ = SendSignal(_process.Id, SigTerm);
        try
        {
            await Ended.WaitAsync(StopPatience);
        }
        catch (TimeoutException)
        {
            await KillAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _log.DisposeAsync();
        _process.Dispose();
    }

    private void Remember(string? line)
    {
        if (line is null)
            return;
        lock (_lastLines)
        {
            _log.WriteLine(line);
            _lastLines.Enqueue(line);
            if (_lastLines.Count > RememberedLines)
                _lastLines.Dequeue();
        }
    }

    // .NET can only kill.
    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Newtonsoft.Json;

namespace Broker.Campaigns;

/// <summary>A worker, <c>broker run</c>, in a process of its own, and what can happen to it.</summary>
internal sealed class Worker : IAsyncDisposable
{
    private const string FakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly string _folder;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Worker(string name, Process process, string folder)
    {
        (Name, _process, _folder) = (name, process, folder);
        Id = process.Id;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.Exited += (_, _) => Ended();
        process.EnableRaisingEvents = true;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public string Name { get; }

    public int Id { get; }

    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>What a person should look at: errors, and warnings that tell of no fault from outside.</summary>
    public IEnumerable<string> Errors => _lines.Where(l => l.Contains(" fail: ", StringComparison.Ordinal) || l.Contains(" crit: ", StringComparison.Ordinal) || l.Contains("Unhandled", StringComparison.Ordinal));

    /// <summary>By how much its clock differs from ours, by the first time that it wrote.</summary>
    public TimeSpan? ClockError { get; private set; }

    /// <summary>What heals itself.</summary>
    public IEnumerable<string> Warnings => _lines.Where(l => l.Contains(" warn: ", StringComparison.Ordinal));

    public bool HasExited => _process.HasExited;

    /// <summary>Completes when it relays.</summary>
    public Task Started => _started.Task.WaitAsync(TimeSpan.FromSeconds(60));

    /// <summary>Memory in use, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Whether its clock can be moved.</summary>
    public static bool CanMoveClocks => File.Exists(FakeTime);

    /// <summary>Starts one.</summary>
    /// <param name="name">Its name, for the report.</param>
    /// <param name="configuration">The object under <c>Broker</c>.</param>
    /// <param name="clock">By how much its host's clock is wrong.</param>
    public static Worker Start(string name, object configuration, TimeSpan clock = default)
    {
        var folder = Directory.CreateTempSubdirectory("campaign-").FullName;
        var file = Path.Combine(folder, "worker.json");
        File.WriteAllText(file, JsonConvert.SerializeObject(new { Broker = configuration }));
        var build = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "..", "..", "Broker", build, "Broker.dll"), "run", "--roles", "relay", "--config", file])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (clock != default)
        {
            start.Environment["LD_PRELOAD"] = FakeTime;
            start.Environment["FAKETIME"] = string.Create(CultureInfo.InvariantCulture, $"{(clock > default(TimeSpan) ? "+" : "-")}{clock.Duration().TotalSeconds:0}s");
            // Wrong is the time of day. No host's monotonic clock jumps.
            // Its default mends the waits of another C library; on this one every timed wait would end at once.
            start.Environment["FAKETIME_FORCE_MONOTONIC_FIX"] = "0";
            start.Environment["DONT_FAKE_MONOTONIC"] = start.Environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
        }
        return new Worker(name, Process.Start(start)!, folder);
    }

    public void Freeze() => Signal("STOP");

    public void Thaw() => Signal("CONT");

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Ends it with SIGTERM. Returns its exit code; null if it had to be killed.</summary>
    public async Task<int?> TerminateAsync()
    {
        Signal("TERM");
        using var limit = new CancellationTokenSource(LongestEnd);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
            return _process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            await KillAsync();
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Ended()
    {
        if (_started.Task.IsCompleted)
            return;
        // All of its output has been read then.
        _process.WaitForExit();
        _started.TrySetException(new InvalidOperationException($"{Name} ended before it relayed: {string.Join(Environment.NewLine, _lines.TakeLast(10))}"));
    }

    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", ["-s", signal, Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        _lines.Enqueue(line);
        if (ClockError is null && line.Length > 23 && DateTimeOffset.TryParseExact(line[..23], "yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            ClockError = time - TimeProvider.System.GetUtcNow();
        if (line.StartsWith("broker relays", StringComparison.Ordinal))
            _started.TrySetResult();
    }
}

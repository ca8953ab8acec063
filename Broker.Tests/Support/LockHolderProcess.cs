using System.Collections.Concurrent;
using System.Diagnostics;
using Broker.Campaigns;
using Newtonsoft.Json;

namespace Broker.Tests.Support;

/// <summary>A <see cref="LockHolder"/> in a process of its own.</summary>
internal sealed class LockHolderProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private LockHolderProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Starts one and waits until it holds the lock.</summary>
    public static async Task<(LockHolderProcess Process, long Token)> StartAsync(LockPlace place, string name, TimeSpan lease)
    {
        var start = new ProcessStartInfo("dotnet", [BuiltProgram.Path("Broker.Campaigns"), LockHolder.Verb]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        var holder = new LockHolderProcess(Process.Start(start)!);
        await holder.TellAsync(JsonConvert.SerializeObject(new LockHolder.Settings(place.Address, name, lease.TotalSeconds)));
        return (holder, long.Parse(await holder.SaysAsync("held "), System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Writes a line to its standard input.</summary>
    public async Task TellAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for a line that begins with or ends with a text, and returns the rest of it.</summary>
    public async Task<string> SaysAsync(string beginning)
    {
        string? found = null;
        await Eventually.IsTrueAsync(() => Task.FromResult((found = _output.FirstOrDefault(l => l.StartsWith(beginning, StringComparison.Ordinal))) is not null), $"the holder says '{beginning}', but it said:\n{string.Join('\n', _output)}\n");
        return found![beginning.Length..];
    }

    /// <summary>Tells it to write, and returns what became of it.</summary>
    public async Task<string> WriteAsync(int id)
    {
        await TellAsync($"{id}");
        return await AnswerAsync(id);
    }

    /// <summary>What became of a write.</summary>
    public async Task<string> AnswerAsync(int id)
    {
        string? found = null;
        await Eventually.IsTrueAsync(() => Task.FromResult((found = _output.FirstOrDefault(l => l.EndsWith($" {id}", StringComparison.Ordinal) && !l.StartsWith("held", StringComparison.Ordinal))) is not null), $"the holder answers, but it said:\n{string.Join('\n', _output)}\n");
        return found!;
    }

    /// <summary>SIGSTOP.</summary>
    public void Freeze() => Signal("STOP");

    /// <summary>SIGCONT.</summary>
    public void Thaw() => Signal("CONT");

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        TestContext.Out.WriteLine(string.Join('\n', _output));
        _process.Dispose();
    }

    private void Signal(string signal) => Process.Start("kill", $"-{signal} {_process.Id}").WaitForExit();

    private void Take(string? line)
    {
        if (line is not null)
            _output.Enqueue(line);
    }
}

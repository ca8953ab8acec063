using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Broker.Bench;

/// <summary>One measured process, from its parent's side: this program itself, with a hidden verb.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly ChildTask _task;
    private readonly StringBuilder _errors = new();

    private ChildProcess(Process process, ChildTask task)
    {
        (_process, _task) = (process, task);
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
                _errors.AppendLine(line.Data);
        };
        process.BeginErrorReadLine();
    }

    /// <summary>Starts it and waits until it is warm.</summary>
    /// <exception cref="BenchFailedException">It ended before.</exception>
    public static async Task<ChildProcess> StartAsync(ChildTask task, CancellationToken cancellationToken)
    {
        var program = Environment.ProcessPath!;
        // Started as "dotnet Broker.dll", or by its own name.
        var isHost = Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(program, isHost ? [Environment.GetCommandLineArgs()[0], ChildCommand.Name] : [ChildCommand.Name])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        };
        // What is measured is code that has been compiled for good, as in a service after its first minutes. The runtime puts that off while it meets anything new; where messages fail in ever new ways, for most of a run.
        start.Environment.TryAdd("DOTNET_TC_CallCountingDelayMs", "0");
        var child = new ChildProcess(Process.Start(start)!, task);
        try
        {
            await child.SayAsync(JsonSerializer.Serialize(task));
            await child.ExpectAsync(ChildCommand.Ready, cancellationToken);
            return child;
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets the measured part begin.</summary>
    public Task GoAsync() => SayAsync(ChildCommand.Go);

    /// <summary>Ends work that has no end of its own.</summary>
    public Task StopAsync() => SayAsync(ChildCommand.Stop);

    /// <summary>Waits for its end.</summary>
    /// <exception cref="BenchFailedException">It failed.</exception>
    public async Task<ChildResult> ResultAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Far beyond what the slowest of them needs: a hundred messages a second.
        var patience = Patience + TimeSpan.FromSeconds(_task.Seconds + (_task.Messages / 100));
        limit.CancelAfter(patience);
        try
        {
            return JsonSerializer.Deserialize<ChildResult>(await _process.StandardOutput.ReadLineAsync(limit.Token) ?? throw await FailureAsync())!;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BenchFailedException($"The process '{_task.Kind}' was not done after {patience.TotalSeconds:0} s.\n{Errors()}");
        }
    }

    /// <summary>Runs the measured part to its end.</summary>
    /// <exception cref="BenchFailedException">It failed.</exception>
    public async Task<ChildResult> RunAsync(CancellationToken cancellationToken)
    {
        await GoAsync();
        return await ResultAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            // It has no state of its own to save: what it made on the servers is its parent's to remove.
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }

    private async Task SayAsync(string line)
    {
        try
        {
            await _process.StandardInput.WriteLineAsync(line);
            await _process.StandardInput.FlushAsync();
        }
        catch (IOException)
        {
            throw await FailureAsync();
        }
    }

    private async Task ExpectAsync(string expected, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            if (await _process.StandardOutput.ReadLineAsync(limit.Token) != expected)
                throw await FailureAsync();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BenchFailedException($"The process '{_task.Kind}' was not ready after {Patience.TotalSeconds:0} s.\n{Errors()}");
        }
    }

    private async Task<BenchFailedException> FailureAsync()
    {
        await _process.WaitForExitAsync();
        return new BenchFailedException($"The process '{_task.Kind}' failed.\n{Errors()}");
    }

    private string Errors()
    {
        lock (_errors)
            return _errors.ToString().Trim();
    }
}

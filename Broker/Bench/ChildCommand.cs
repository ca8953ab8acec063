using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Broker.Bench;

/// <summary>The measured process: takes its task from standard input, says "ready", begins at "go", ends open work at "stop", and writes its result as JSON. Ends with its parent.</summary>
internal static class ChildCommand
{
    public const string Name = "bench-child";
    public const string Ready = "ready";
    public const string Go = "go";
    public const string Stop = "stop";

    public static Command Create()
    {
        var command = new Command(Name, "A process that 'bench' measures.") { Hidden = true };
        command.SetAction((_, _) => RunAsync());
        return command;
    }

    private static async Task<int> RunAsync()
    {
        // Ctrl-C goes to all processes of the terminal. The parent ends us when it has understood; until then our work must not look as if it had failed.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var ended = new CancellationTokenSource();
        var input = Console.In;
        try
        {
            var task = JsonSerializer.Deserialize<ChildTask>(await input.ReadLineAsync() ?? "")!;
            await using var child = Create(task);
            await child.WarmUpAsync(ended.Token);
            await Console.Out.WriteLineAsync(Ready);
            if (await input.ReadLineAsync() != Go)
                return ExitCodes.Failed;
            var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            // Reading the console holds its thread, also where it is called asynchronous.
            _ = Task.Run(() => ListenAsync(input, stop, ended), CancellationToken.None);
            await Console.Out.WriteLineAsync(JsonSerializer.Serialize(await MeasureAsync(child, stop.Task, ended.Token)));
            return ExitCodes.Ok;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Failed;
        }
    }

    private static async Task ListenAsync(TextReader input, TaskCompletionSource stop, CancellationTokenSource ended)
    {
        while (await input.ReadLineAsync() is { } line)
        {
            if (line == Stop)
                stop.TrySetResult();
        }
        await ended.CancelAsync();
    }

    private static async Task<ChildResult> MeasureAsync(IChild child, Task stop, CancellationToken cancellationToken)
    {
        ForgetPeak();
        var cpu = Environment.CpuUsage.TotalTime;
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var result = await child.RunAsync(stop, cancellationToken);
        return result with
        {
            CpuSeconds = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds,
            AllocatedBytes = GC.GetTotalAllocatedBytes(precise: true) - allocated,
            PeakBytes = Peak(),
        };
    }

    /// <summary>Lets the kernel's high-water mark begin anew.</summary>
    private static void ForgetPeak()
    {
        try
        {
            if (OperatingSystem.IsLinux())
                File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Then the warm-up counts too.
        }
    }

    private static long Peak()
    {
        if (OperatingSystem.IsLinux() && File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal)) is { } line)
            return 1_024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
        using var self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }

    private static IChild Create(ChildTask task) => task.Kind switch
    {
        ChildKind.RawPublish => new RawPublishChild(task),
        ChildKind.Relay => new RelayChild(task),
        ChildKind.NaiveRelay => new NaiveRelayChild(task),
        ChildKind.RelayNode => new RelayNodeChild(task),
        ChildKind.Writers => new WritersChild(task),
        ChildKind.SameLoad => new SameLoadChild(task),
        ChildKind.Arrival or ChildKind.Effect => new LatencyChild(task),
        ChildKind.RawConsume => new RawConsumeChild(task),
        ChildKind.Inbox => new InboxChild(task),
        ChildKind.Late => new LateChild(task),
        ChildKind.Sagas or ChildKind.LocalTransactions => new SagaChild(task),
        ChildKind.NaiveConsume => new NaiveConsumeChild(task),
        ChildKind.Locks => new LockChild(task),
        _ => throw new NotSupportedException($"There is no process for {task.Kind}."),
    };
}

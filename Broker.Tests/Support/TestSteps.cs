using System.Collections.Concurrent;
using Outbox.Diagnostics;

namespace Broker.Tests.Support;

/// <summary>Stops, or fails, whoever reaches a named step.</summary>
internal sealed class TestSteps : StepSignals
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _reached = new();
    private readonly ConcurrentDictionary<string, Func<Task>> _actions = new();

    /// <summary>Runs <paramref name="action"/> each time the step is reached.</summary>
    public void On(string step, Func<Task> action) => _actions[step] = action;

    /// <summary>Completes when the step is reached for the first time.</summary>
    public Task FirstAsync(string step) => Reached(step).Task.WaitAsync(TimeSpan.FromSeconds(60));

    public override async ValueTask ReachedAsync(string step)
    {
        Reached(step).TrySetResult();
        if (_actions.TryGetValue(step, out var action))
            await action();
    }

    private TaskCompletionSource Reached(string step) => _reached.GetOrAdd(step, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}

namespace Outbox.Diagnostics;

/// <summary>Named points between two awaits that touch a row and a message. Nothing in production; tests stop, delay or "crash" the process there.</summary>
internal class StepSignals
{
    public static StepSignals None { get; } = new();

    public virtual ValueTask ReachedAsync(string step) => ValueTask.CompletedTask;
}

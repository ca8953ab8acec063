using System.Diagnostics;

namespace Transfer;

/// <summary>The end of this process as if by <c>kill -9</c>: nothing is closed, rolled back or said to anybody.</summary>
internal static class Death
{
    public static void At(string step)
    {
        Console.WriteLine($"killed at {step}");
        Process.GetCurrentProcess().Kill();
        // The signal may come a moment later, and this thread must not go on until then.
        using var never = new ManualResetEventSlim();
        never.Wait();
    }
}

namespace Broker;

/// <summary>What the process's exit code says.</summary>
internal static class ExitCodes
{
    /// <summary>All went well, or the process was told to stop.</summary>
    public const int Ok = 0;

    /// <summary>Something failed that may work another time.</summary>
    public const int Failed = 1;

    /// <summary>The configuration or the command line is wrong; it will not work until it is changed.</summary>
    public const int Misconfigured = 2;

    /// <summary>All of them, as they are told to people.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (Ok, "It was done, or the process was told to stop."),
        (Failed, "It failed, or not all of it could be done; the same may work another time. A check found a difference, or what was asked for is not there."),
        (Misconfigured, "The configuration or the command line is wrong, or nothing is meant by it; it will not work until it is changed."),
    ];
}

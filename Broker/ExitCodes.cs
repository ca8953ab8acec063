namespace Broker;

/// <summary>What the process's exit code says.</summary>
internal static class ExitCodes
{
    /// <summary>All went well, or the process was told to stop.</summary>
    public const int Ok = 0;

    /// <summary>Something failed that may work another time.</summary>
    public const int Failed = 1;

    /// <summary>The configuration is wrong; it will not work until it is changed.</summary>
    public const int Misconfigured = 2;
}

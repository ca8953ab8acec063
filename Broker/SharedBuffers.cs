namespace Broker;

/// <summary>How many used buffers <see cref="System.Buffers.ArrayPool{T}.Shared"/> keeps.</summary>
internal static class SharedBuffers
{
    private const string Variable = "DOTNET_SYSTEM_BUFFERS_SHAREDARRAYPOOL_MAXARRAYSPERPARTITION";

    /// <summary>
    /// Lets the pool keep 128 buffers of each size and core, where .NET keeps 32. RabbitMQ.Client holds one for each message that waits for its socket, up to 128 at a time;
    /// what the pool has no room for is garbage. Must come before anything rents a buffer. A value set from outside stays.
    /// </summary>
    public static void KeepMore()
    {
        if (Environment.GetEnvironmentVariable(Variable) is null)
            Environment.SetEnvironmentVariable(Variable, "128");
    }
}

namespace Outbox.Redis;

/// <summary>The scripts of <c>Scripts/</c>, each one call.</summary>
internal static class RedisScripts
{
    public static RedisScript Acquire { get; } = Read("acquire.lua");

    public static RedisScript Renew { get; } = Read("renew.lua");

    public static RedisScript Release { get; } = Read("release.lua");

    public static RedisScript Steal { get; } = Read("steal.lua");

    private static RedisScript Read(string name)
    {
        using var reader = new StreamReader(typeof(RedisScripts).Assembly.GetManifestResourceStream(name)!);
        return new RedisScript(reader.ReadToEnd());
    }
}

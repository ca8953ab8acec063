namespace Outbox.Redis;

/// <summary>The scripts of <c>Scripts/</c>, each one call.</summary>
internal static class RedisScripts
{
    public static string Acquire { get; } = Read("acquire.lua");

    public static string Renew { get; } = Read("renew.lua");

    public static string Release { get; } = Read("release.lua");

    public static string Steal { get; } = Read("steal.lua");

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(RedisScripts).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}

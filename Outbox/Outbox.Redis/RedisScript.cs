using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Outbox.Redis;

/// <summary>A script that the server knows by its hash, once it has been told the text.</summary>
internal sealed class RedisScript(string text)
{
    private readonly byte[] _hash = HashOf(text);

    /// <summary>Runs it. A server that was restarted, or another after a failover, does not know it; then nothing was done, and it is told.</summary>
    public async Task<long> RunAsync(IDatabase database, RedisKey[] keys, RedisValue[] values)
    {
        try
        {
            // By the hash alone: with the text the client asks itself each time whether this server knows it.
            return (long)await database.ScriptEvaluateAsync(_hash, keys, values).ConfigureAwait(false);
        }
        catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            return (long)await database.ScriptEvaluateAsync(text, keys, values).ConfigureAwait(false);
        }
    }

    [SuppressMessage("Security", "CA5350", Justification = "Redis names scripts by SHA-1.")]
    private static byte[] HashOf(string text) => SHA1.HashData(Encoding.UTF8.GetBytes(text));
}

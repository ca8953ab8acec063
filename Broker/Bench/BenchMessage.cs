using System.Text;
using Outbox.Messages;

namespace Broker.Bench;

/// <summary>The message of all measurements.</summary>
/// <param name="Text">Whatever fills the body.</param>
[MessageType(Type)]
internal sealed record BenchMessage(string Text)
{
    public const string Type = "bench.message-written.v1";

    private const string Before = "{\"text\":\"";
    private const string After = "\"}";

    /// <summary>A message whose body has this many bytes, or as few as it can. Its text is random: a database that compresses long values would otherwise carry less than was asked for.</summary>
    public static BenchMessage Of(int bytes) =>
        new(new string(Random.Shared.GetItems<char>("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", Math.Max(1, bytes - Before.Length - After.Length))));

    /// <summary>The body, as the library writes it.</summary>
    public byte[] ToBody() => Encoding.UTF8.GetBytes(Before + Text + After);
}

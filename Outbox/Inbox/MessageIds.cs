using System.Security.Cryptography;
using System.Text;

namespace Outbox.Inbox;

/// <summary>The inbox's key for ids as senders write them.</summary>
internal static class MessageIds
{
    /// <summary>A GUID in any usual form is itself. Any other text gives a name-based UUID (version 8, SHA-256), so that the same text is always the same message.</summary>
    public static Guid? Parse(string? id)
    {
        if (string.IsNullOrWhiteSpace(id))
            return null;
        if (Guid.TryParse(id, out var guid))
            return guid;
        return NamedBy(id);
    }

    /// <summary>A name-based UUID (version 8, SHA-256).</summary>
    public static Guid NamedBy(string name)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(name), hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}

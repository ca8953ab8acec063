using System.IO.Hashing;
using System.Text;

namespace Outbox.Messages;

/// <summary>Assigns partition keys to partitions: CRC-32 (ISO-HDLC, as in zlib, MySQL and Python) of the key's UTF-8 bytes, modulo the partition count.</summary>
public static class Partitioner
{
    /// <summary>The partition of <paramref name="partitionKey"/>; 0 when there is no key.</summary>
    /// <param name="partitionKey">The key, or <see langword="null"/>.</param>
    /// <param name="partitions">How many partitions there are, 1 to 1,024.</param>
    public static short PartitionOf(string? partitionKey, int partitions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitions, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(partitions, OutboxOptions.MaxPartitions);
        if (partitionKey is null || partitions == 1)
            return 0;
        Span<byte> utf8 = stackalloc byte[PartitionKey.MaxLength * 3];
        var bytes = partitionKey.Length <= PartitionKey.MaxLength ? utf8[..Encoding.UTF8.GetBytes(partitionKey, utf8)] : Encoding.UTF8.GetBytes(partitionKey);
        return (short)(Crc32.HashToUInt32(bytes) % (uint)partitions);
    }
}

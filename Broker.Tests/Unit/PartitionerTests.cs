using Outbox.Messages;

namespace Broker.Tests.Unit;

internal sealed class PartitionerTests
{
    // The expected numbers are Python's: zlib.crc32(key.encode()) % partitions.
    [TestCase("", 1_024, 0)]
    [TestCase("a", 2, 1)]
    [TestCase("a", 100, 7)]
    [TestCase("a", 1_024, 579)]
    [TestCase("order-1", 8, 7)]
    [TestCase("order-1", 1_024, 1_007)]
    [TestCase("123e4567-e89b-12d3-a456-426614174000", 16, 6)]
    [TestCase("123e4567-e89b-12d3-a456-426614174000", 1_024, 438)]
    [TestCase("Zürich", 16, 14)]
    [TestCase("Zürich", 1_024, 318)]
    [TestCase("日本", 100, 56)]
    [TestCase("日本", 1_024, 460)]
    [TestCase("😀", 1_024, 324)]
    [TestCase("42", 100, 88)]
    public void A_key_lands_where_every_other_language_puts_it(string key, int partitions, int expected) =>
        Assert.That(Partitioner.PartitionOf(key, partitions), Is.EqualTo(expected));

    [Test]
    public void Keys_of_any_length_are_taken()
    {
        Assert.That(Partitioner.PartitionOf(new string('x', 200), 100), Is.EqualTo(82));
        Assert.That(Partitioner.PartitionOf(new string('ÿ', 5_000), 1_024), Is.InRange(0, 1_023));
    }

    [Test]
    public void Without_a_key_or_with_one_partition_it_is_partition_0()
    {
        Assert.That(Partitioner.PartitionOf(null, 1_024), Is.Zero);
        Assert.That(Partitioner.PartitionOf("a", 1), Is.Zero);
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(1_025)]
    public void The_count_is_1_to_1024(int partitions) => Assert.That(() => Partitioner.PartitionOf("a", partitions), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void A_key_is_made_of_text_a_GUID_or_a_number_and_compared_ordinally()
    {
        PartitionKey text = "order-1", guid = new Guid("0123ABCD-89ab-7def-8123-456789ABCDEF"), number = 42, big = long.MinValue;

        Assert.That((text.Value, guid.Value, number.Value, big.Value), Is.EqualTo(("order-1", "0123abcd-89ab-7def-8123-456789abcdef", "42", "-9223372036854775808")));
        Assert.That((PartitionKey)"a", Is.Not.EqualTo((PartitionKey)"A"));
        Assert.That((default(PartitionKey).Value, ((PartitionKey)(string?)null).Value), Is.EqualTo(((string?)null, (string?)null)));
    }
}

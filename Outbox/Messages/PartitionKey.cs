using System.Globalization;

namespace Outbox.Messages;

/// <summary>The key whose messages keep their order, usually the id of an aggregate. <c>default</c> means that no order is wanted.</summary>
/// <param name="Value">The key's text, compared ordinally; at most <see cref="MaxLength"/> characters.</param>
public readonly record struct PartitionKey(string? Value)
{
    /// <summary>Longest key, in characters.</summary>
    public const int MaxLength = 200;

    /// <summary>A key from text; <see langword="null"/> means that no order is wanted.</summary>
    public static implicit operator PartitionKey(string? value) => new(value);

    /// <summary>A key from a GUID, in its lower-case hyphenated form.</summary>
    public static implicit operator PartitionKey(Guid value) => new(value.ToString("D"));

    /// <summary>A key from a number.</summary>
    public static implicit operator PartitionKey(int value) => new(value.ToString(CultureInfo.InvariantCulture));

    /// <inheritdoc cref="op_Implicit(int)"/>
    public static implicit operator PartitionKey(long value) => new(value.ToString(CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public override string ToString() => Value ?? "";
}

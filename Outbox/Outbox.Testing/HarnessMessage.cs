namespace Outbox.Testing;

/// <summary>A message as the transport or a handler got it.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="Type">Name of its type.</param>
/// <param name="Source">The outbox that it came from.</param>
/// <param name="PartitionKey">Its key, if it has one.</param>
/// <param name="Headers">Its further headers.</param>
/// <param name="Message">The object; <see langword="null"/> for one of a class that no outbox of this test knows.</param>
public sealed record HarnessMessage(Guid MessageId, string Type, string Source, string? PartitionKey, IReadOnlyDictionary<string, string> Headers, object? Message);

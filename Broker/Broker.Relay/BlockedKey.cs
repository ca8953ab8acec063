namespace Broker.Relay;

/// <summary>Something that does not flow: a key behind a dead letter, a row that is tried again with what waits behind it, or a whole type.</summary>
/// <param name="State"><c>dead-letter</c>: waits for an operator. <c>retrying</c>: one row is tried again. <c>type</c>: no message of the type can be published now.</param>
/// <param name="Key">The key; null for a type, and for a row without a key.</param>
/// <param name="Type">The message type.</param>
/// <param name="Reason">Why, cut after 200 characters.</param>
/// <param name="Since">Since when, UTC, by the relay's clock.</param>
/// <param name="Waiting">How many rows wait, as far as the relay has read.</param>
internal sealed record BlockedKey(string State, string? Key, string Type, string Reason, DateTime Since, long Waiting);

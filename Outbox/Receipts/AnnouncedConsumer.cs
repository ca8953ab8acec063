using Outbox.Consumers;

namespace Outbox.Receipts;

/// <summary>A consumer that publishers are told of.</summary>
/// <param name="Options">Its settings.</param>
/// <param name="Types">Gives the types that it reads, once everything is configured.</param>
internal sealed record AnnouncedConsumer(ConsumerOptions Options, Func<IReadOnlyCollection<string>> Types);

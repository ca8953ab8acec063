namespace Outbox.Diagnostics;

/// <summary>What a consumer's gauge shows.</summary>
/// <param name="Consumer">The consumer.</param>
/// <param name="IsUp">Whether it reads its queue.</param>
internal sealed record ConsumerReading(string Consumer, bool IsUp);

namespace Outbox.Consumers;

/// <summary>Where a consumer begins in the numbers of a key that it has not met before.</summary>
public enum KeySequenceStart
{
    /// <summary>At 1: the key's first message, whatever comes first. What has a higher number waits for it.</summary>
    One,

    /// <summary>At the number that comes first: for a consumer that joins while keys are under way. What comes with a lower number later counts as applied, so the order of arrival must be kept.</summary>
    FirstSeen,
}

namespace Outbox.Consumers;

/// <summary>A message, what became of it, and why.</summary>
/// <param name="Incoming">The message.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Error">Why it failed.</param>
/// <param name="Wait">Until it is tried again.</param>
/// <param name="KeyGoesOn">It was deferred, it is dealt with, and further messages of its key are deferred.</param>
/// <param name="FreesOthers">Because of it deferred messages are due now.</param>
internal sealed record BatchResult(IncomingMessage Incoming, BatchOutcome Outcome, Exception? Error = null, TimeSpan Wait = default, bool KeyGoesOn = false, bool FreesOthers = false)
{
    /// <summary>Whether it needs no further thought of this consumer's.</summary>
    public bool IsSettled => Outcome is BatchOutcome.Applied or BatchOutcome.Known or BatchOutcome.Ignored or BatchOutcome.Dead;
}

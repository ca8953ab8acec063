namespace Outbox.Locks;

/// <summary>A lock that is held, as those see it who look on.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Owner">Who holds it.</param>
/// <param name="Token">The holder's fencing token.</param>
/// <param name="Since">When the holder got it, UTC, by the clock of the place where it is kept; null if that was before such times were kept.</param>
/// <param name="ExpiresIn">How long it lasts without being renewed.</param>
/// <param name="Waiters">How many processes wait for it. One that has waited for less than a second may not count yet.</param>
public sealed record LockStanding(string Name, string Owner, long Token, DateTime? Since, TimeSpan ExpiresIn, int Waiters);

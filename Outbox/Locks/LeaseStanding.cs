namespace Outbox.Locks;

/// <summary>A lease as the database shows it: who has it, or had it last, and for how long.</summary>
internal sealed record LeaseStanding(string Name, string Owner, long Token, TimeSpan Left)
{
    public bool IsHeld => Left > TimeSpan.Zero;
}

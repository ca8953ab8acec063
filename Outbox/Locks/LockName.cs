namespace Outbox.Locks;

/// <summary>The name of a lock: what is allowed.</summary>
internal static class LockName
{
    /// <summary>So that a name and what is put before it fit into every table.</summary>
    public const int MaxLength = 100;

    public static void Check(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        // Some databases pass over spaces at the end when they compare.
        if (name.Length is 0 or > MaxLength || name.Any(char.IsControl) || char.IsWhiteSpace(name[0]) || char.IsWhiteSpace(name[^1]))
            throw new ArgumentException($"'{name}' is no name of a lock: 1 to {MaxLength} characters, no control characters, no spaces at the ends. A good one is 'nightly-settlement'.", nameof(name));
    }
}

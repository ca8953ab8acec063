using System.Globalization;

namespace Outbox.Locks;

/// <summary>A lock's holder was too slow, or was robbed: another has had the lock since. What the transaction wrote must not be committed.</summary>
public sealed class LockLostException : Exception
{
    internal LockLostException(string name, long token, long newer)
        : base(string.Create(CultureInfo.InvariantCulture, $"Lock '{name}' is lost: this holder has token {token}, and token {newer} has been given out since. Roll the transaction back, and take the lock again before another try."))
    {
        (Name, Token) = (name, token);
    }

    /// <summary>The lock's name.</summary>
    public string Name { get; }

    /// <summary>The token of the holder that was refused.</summary>
    public long Token { get; }
}

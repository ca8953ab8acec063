using System.ComponentModel.DataAnnotations;
using Outbox.Locks;

namespace Outbox.Redis;

/// <summary>Settings of locks in Redis.</summary>
public sealed class RedisLockOptions : LockOptions
{
    /// <summary>What the keys begin with: <c>outbox:{nightly-settlement}:lock</c>.</summary>
    /// <value>Default: <c>outbox</c>. Letters, digits, dots, hyphens and colons.</value>
    /// <remarks>Services that shall exclude each other need the same one.</remarks>
    [Required, StringLength(50, MinimumLength = 1)]
    public string KeyPrefix { get; set; } = "outbox";

    internal override void Validate()
    {
        base.Validate();
        if (KeyPrefix.Length is 0 or > 50 || !KeyPrefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ':'))
            throw new OutboxConfigurationException($"Locks in Redis: KeyPrefix is '{KeyPrefix}', which is not 1 to 50 letters, digits, dots, hyphens and colons. A good value is 'outbox'.");
    }
}

using System.ComponentModel.DataAnnotations;
using Outbox.Locks;

namespace Outbox.Etcd;

/// <summary>Settings of locks in etcd.</summary>
public sealed class EtcdLockOptions : LockOptions
{
    /// <summary>What the keys begin with: <c>outbox/lock/nightly-settlement</c>.</summary>
    /// <value>Default: <c>outbox</c>. Letters, digits, dots, hyphens and slashes.</value>
    /// <remarks>Services that shall exclude each other need the same one.</remarks>
    [Required, StringLength(50, MinimumLength = 1)]
    public string KeyPrefix { get; set; } = "outbox";

    /// <summary>Sets up TLS and the like on the connections.</summary>
    /// <value>Default: null, the platform's own settings.</value>
    public Action<SocketsHttpHandler>? ConfigureHandler { get; set; }

    internal override void Validate()
    {
        base.Validate();
        if (Lease < TimeSpan.FromSeconds(2))
            throw new OutboxConfigurationException($"Locks in etcd: Lease is {Lease}, but etcd counts in seconds and grants none below its election time-out. Use two seconds or more; a good value is 00:00:15.");
        if (KeyPrefix.Length is 0 or > 50 || !KeyPrefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '/'))
            throw new OutboxConfigurationException($"Locks in etcd: KeyPrefix is '{KeyPrefix}', which is not 1 to 50 letters, digits, dots, hyphens and slashes. A good value is 'outbox'.");
    }
}

using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace Outbox.Locks;

/// <summary>Settings of locks, wherever they are kept.</summary>
public class LockOptions
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <summary>How long a lock lasts without being renewed.</summary>
    /// <value>Default: 15 seconds; at least one second, for etcd two.</value>
    /// <remarks>
    /// Longer means fewer renewals (one for each third of it) and more patience with a process that sleeps or a network that is away; but a lock whose holder dies stays taken for as long.
    /// A holder that is alive keeps its lock for as long as it wants, however short this is.
    /// </remarks>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Who holds the locks of this process, for people.</summary>
    /// <value>Default: the machine's name and the process's number.</value>
    [Required, StringLength(100, MinimumLength = 1)]
    public string Owner { get; set; } = string.Create(CultureInfo.InvariantCulture, $"{Short(Environment.MachineName)}/{Environment.ProcessId}");

    internal virtual void Validate()
    {
        if (Lease < Least || Lease > TimeSpan.FromDays(1))
            throw new OutboxConfigurationException($"Locks: Lease is {Lease}, which is not between one second and one day. A good value is 00:00:15.");
        if (string.IsNullOrWhiteSpace(Owner) || Owner.Length > 100 || Owner.Any(char.IsControl))
            throw new OutboxConfigurationException($"Locks: Owner is '{Owner}', which is empty, longer than 100 characters or has control characters. A good value is '{Environment.MachineName}'.");
    }

    private static string Short(string machine) => machine.Length > 60 ? machine[..60] : machine;
}

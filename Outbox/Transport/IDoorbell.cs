namespace Outbox.Transport;

/// <summary>Tells relays in other processes that rows of a source were committed, so that they look at once. Thread-safe.</summary>
/// <remarks>Nothing depends on it but speed: rings may be lost, doubled or late, and relays look by themselves all the same.</remarks>
public interface IDoorbell
{
    /// <summary>Rings for a source and returns at once. While the broker is away a ring is dropped; it never throws and never waits.</summary>
    /// <param name="source">Name of the source whose rows were committed.</param>
    void Ring(string source);

    /// <summary>Hears the rings for a source, from this process and others, until the result is disposed; connects and reconnects by itself.</summary>
    /// <param name="source">Name of the source.</param>
    /// <param name="onRing">Called for each ring, and once whenever rings may have been missed. Must return at once and not throw; it may be called from several threads.</param>
    IDisposable Listen(string source, Action onRing);
}

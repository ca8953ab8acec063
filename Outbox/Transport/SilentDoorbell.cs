namespace Outbox.Transport;

/// <summary>The doorbell of a transport that has none: nobody hears it, and relays look by themselves.</summary>
internal sealed class SilentDoorbell : IDoorbell, IDisposable
{
    public static SilentDoorbell Instance { get; } = new();

    public void Ring(string source)
    {
    }

    public IDisposable Listen(string source, Action onRing) => this;

    public void Dispose()
    {
    }
}

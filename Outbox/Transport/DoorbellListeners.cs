using Outbox.Diagnostics;

namespace Outbox.Transport;

/// <summary>Who listens to the doorbell in this process, and for which sources. Thread-safe.</summary>
/// <param name="onChange">Called after a source has got its first listener or lost its last.</param>
internal sealed class DoorbellListeners(Action? onChange = null)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<Listener>> _listeners = new(StringComparer.Ordinal);

    /// <summary>The sources that somebody listens for.</summary>
    public IReadOnlyList<string> Sources
    {
        get
        {
            lock (_lock)
                return [.. _listeners.Keys];
        }
    }

    public IDisposable Add(string source, Action onRing)
    {
        var listener = new Listener(this, source, onRing);
        bool isFirst;
        lock (_lock)
        {
            isFirst = !_listeners.TryGetValue(source, out var all);
            if (isFirst)
                _listeners[source] = all = [];
            all!.Add(listener);
        }
        if (isFirst)
            onChange?.Invoke();
        return listener;
    }

    /// <summary>Hands a ring to those who listen for its source.</summary>
    public void Heard(string source)
    {
        foreach (var listener in Of(source))
        {
            OutboxMetrics.DoorbellHeard.Add(1, new KeyValuePair<string, object?>("source", source));
            listener.OnRing();
        }
    }

    /// <summary>Rings may have been missed: everybody looks once.</summary>
    public void MayHaveMissed()
    {
        foreach (var source in Sources)
        {
            foreach (var listener in Of(source))
                listener.OnRing();
        }
    }

    private IReadOnlyList<Listener> Of(string source)
    {
        lock (_lock)
            return _listeners.TryGetValue(source, out var all) ? [.. all] : [];
    }

    private void Remove(Listener listener)
    {
        lock (_lock)
        {
            if (!_listeners.TryGetValue(listener.Source, out var all) || !all.Remove(listener) || all.Count > 0)
                return;
            _listeners.Remove(listener.Source);
        }
        onChange?.Invoke();
    }

    private sealed class Listener(DoorbellListeners listeners, string source, Action onRing) : IDisposable
    {
        public string Source => source;

        public Action OnRing => onRing;

        public void Dispose() => listeners.Remove(this);
    }
}

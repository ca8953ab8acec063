using Outbox.Messages;

namespace Broker.Relay;

/// <summary>A committed row as the relay knows it. Its envelope is dropped while it has to wait for long, and fetched again.</summary>
internal sealed class OutboxRow
{
    public required long Sequence { get; init; }

    /// <summary>The type; empty while only the row's place is remembered, and as it is now when its body has been fetched again: a row may be mended.</summary>
    public required string Type { get; set; }

    public string? Key { get; init; }

    /// <summary>The message; null while only the row's place is remembered.</summary>
    public Envelope? Envelope
    {
        get;
        set
        {
            field = value;
            // Whoever drops the message does not know that nobody reads it; only a confirm tells.
            if (value is null)
                Memory = null;
        }
    }

    /// <summary>What the message's body lies in, if others share it.</summary>
    public BodyPool.Block? Memory { get; set; }

    /// <summary>The broker has the message, so the memory of its body is free.</summary>
    public void GiveBack()
    {
        Memory?.GiveBack();
        Memory = null;
    }

    /// <summary>Why the row cannot be read as a message, or null.</summary>
    public string? Unreadable { get; set; }

    /// <summary>How long it must not be published yet; zero when it is due.</summary>
    public TimeSpan DueIn { get; init; }

    /// <summary>Its time has passed: delete it unpublished.</summary>
    public bool Expired { get; init; }

    /// <summary>Failures of this very row in a row.</summary>
    public int Failures { get; set; }

    /// <summary>Why it failed last; empty if it has not.</summary>
    public string Reason { get; set; } = "";

    /// <summary>When it failed first; 0 if it has not.</summary>
    public long FirstFailedAt { get; set; }

    /// <summary>For how long its type had been unroutable when the row began to wait for it.</summary>
    public TimeSpan HeldFrom { get; set; }
}

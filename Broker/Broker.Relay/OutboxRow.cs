using Outbox.Messages;

namespace Broker.Relay;

/// <summary>A committed row as the relay knows it. Its envelope is dropped while it has to wait for long, and fetched again.</summary>
/// <remarks>There are as many of them as messages, so what few of them need lies in an object of its own.</remarks>
internal sealed class OutboxRow
{
    private Trouble? _trouble;

    /// <summary>What only a row knows that cannot be published at once.</summary>
    private sealed class Trouble
    {
        public string? Unreadable { get; set; }

        public int Failures { get; set; }

        public string Reason { get; set; } = "";

        public long FirstFailedAt { get; set; }

        public TimeSpan HeldFrom { get; set; }

        public TimeSpan DueIn { get; set; }

        public bool Expired { get; set; }
    }

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

    /// <summary>When it was handed to the broker last; 0 if nobody wants to know.</summary>
    public long SentAt { get; set; }

    /// <summary>Why the row cannot be read as a message, or null.</summary>
    public string? Unreadable
    {
        get => _trouble?.Unreadable;
        set
        {
            if (value is not null || _trouble is not null)
                Troubled.Unreadable = value;
        }
    }

    /// <summary>How long it must not be published yet; zero when it is due.</summary>
    public TimeSpan DueIn
    {
        get => _trouble is { Expired: false } trouble ? trouble.DueIn : TimeSpan.Zero;
        init
        {
            if (value > TimeSpan.Zero)
                Troubled.DueIn = value;
        }
    }

    /// <summary>Its time has passed: delete it unpublished. When it was due says nothing then.</summary>
    public bool Expired
    {
        get => _trouble is { Expired: true };
        init
        {
            if (value)
                Troubled.Expired = true;
        }
    }

    /// <summary>Failures of this very row in a row.</summary>
    public int Failures
    {
        get => _trouble?.Failures ?? 0;
        set => Troubled.Failures = value;
    }

    /// <summary>Why it failed last; empty if it has not.</summary>
    public string Reason
    {
        get => _trouble?.Reason ?? "";
        set => Troubled.Reason = value;
    }

    /// <summary>When it failed first; 0 if it has not.</summary>
    public long FirstFailedAt
    {
        get => _trouble?.FirstFailedAt ?? 0;
        set => Troubled.FirstFailedAt = value;
    }

    /// <summary>For how long its type had been unroutable when the row began to wait for it.</summary>
    public TimeSpan HeldFrom
    {
        get => _trouble?.HeldFrom ?? TimeSpan.Zero;
        set => Troubled.HeldFrom = value;
    }

    private Trouble Troubled => _trouble ??= new Trouble();
}

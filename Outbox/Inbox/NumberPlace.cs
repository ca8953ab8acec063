namespace Outbox.Inbox;

/// <summary>What a message's number means to a key that has come so far.</summary>
internal enum NumberPlace
{
    /// <summary>It is the next one.</summary>
    Next,

    /// <summary>It has taken effect.</summary>
    Known,

    /// <summary>It was not applied, and the key has gone on, or will go on, without it.</summary>
    Passed,

    /// <summary>Lower numbers come first.</summary>
    Ahead,
}

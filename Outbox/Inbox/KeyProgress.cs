namespace Outbox.Inbox;

/// <summary>How far a consumer has come in the numbers of one key, while the transaction holds the key's row.</summary>
/// <param name="source">The source whose key it is.</param>
/// <param name="key">The key.</param>
/// <param name="last">The number up to which it has come.</param>
/// <param name="skipped">Numbers that were not applied and are not waited for.</param>
internal sealed class KeyProgress(string source, string key, long last, string? skipped)
{
    private readonly NumberRanges _skipped = NumberRanges.Parse(skipped);
    private readonly HashSet<long> _wanted = [];
    private readonly long _last = last;

    public string Source => source;

    public string Key => key;

    public long Last { get; private set; } = last;

    public string? Skipped => _skipped.IsEmpty ? null : _skipped.ToString();

    public bool HasMoved => Last != _last;

    public bool HasSkipped { get; private set; }

    public KeyProgress Copy() => new(source, key, Last, Skipped);

    public NumberPlace PlaceOf(long number) => _skipped.Contains(number) ? NumberPlace.Passed
        : number <= Last ? NumberPlace.Known
        : number == Last + 1 ? NumberPlace.Next
        : NumberPlace.Ahead;

    /// <summary>A number has taken effect: the next one, or one that had been passed over.</summary>
    /// <exception cref="InvalidOperationException">It is neither. What would not be recorded must not be committed (G4).</exception>
    public void Apply(long number)
    {
        var wasPassed = _skipped.Contains(number);
        if (!wasPassed && number != Last + 1)
            throw new InvalidOperationException($"Number {number} of a key was handled, and its turn is {Last + 1}.");
        HasSkipped |= wasPassed;
        _skipped.Remove(number);
        if (number == Last + 1)
            Last = number;
        Advance();
    }

    /// <summary>A number above the last that had been passed over is wanted after all: it waits for its turn.</summary>
    public void Want(long number)
    {
        if (number <= Last || !_skipped.Contains(number))
            return;
        _skipped.Remove(number);
        _wanted.Add(number);
        HasSkipped = true;
    }

    /// <summary>Whether <see cref="Want"/> was said of it.</summary>
    public bool IsWanted(long number) => _wanted.Contains(number);

    /// <summary>A number will not be applied in its turn, and the key does not wait for it.</summary>
    public void Pass(long number)
    {
        if (number <= Last)
            return;
        _skipped.Add(number, number);
        HasSkipped = true;
        Advance();
    }

    /// <summary>The key goes on to a number without those that are missing before it.</summary>
    public void PassBefore(long number)
    {
        if (number <= Last + 1)
            return;
        _skipped.Add(Last + 1, number - 1);
        HasSkipped = true;
        Last = number - 1;
    }

    private void Advance()
    {
        while (_skipped.Contains(Last + 1))
            Last++;
    }
}

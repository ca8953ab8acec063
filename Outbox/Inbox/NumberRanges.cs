using System.Globalization;

namespace Outbox.Inbox;

/// <summary>A set of numbers, kept and written as ranges: <c>17,20-25</c>.</summary>
internal sealed class NumberRanges
{
    private readonly List<(long First, long Last)> _ranges = [];

    /// <summary>Reads what <see cref="ToString"/> has written; null is the empty set.</summary>
    public static NumberRanges Parse(string? text)
    {
        var numbers = new NumberRanges();
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-');
            numbers.Add(long.Parse(ends[0], CultureInfo.InvariantCulture), long.Parse(ends[^1], CultureInfo.InvariantCulture));
        }
        return numbers;
    }

    public bool IsEmpty => _ranges.Count == 0;

    public bool Contains(long number) => _ranges.Any(r => r.First <= number && number <= r.Last);

    public void Add(long first, long last)
    {
        if (first > last)
            return;
        // What overlaps or touches becomes one range.
        foreach (var range in _ranges.Where(r => r.First <= last + 1 && first - 1 <= r.Last).ToList())
        {
            (first, last) = (Math.Min(first, range.First), Math.Max(last, range.Last));
            _ranges.Remove(range);
        }
        var place = _ranges.FindIndex(r => r.First > last);
        _ranges.Insert(place < 0 ? _ranges.Count : place, (first, last));
    }

    public void Remove(long number)
    {
        var place = _ranges.FindIndex(r => r.First <= number && number <= r.Last);
        if (place < 0)
            return;
        var (first, last) = _ranges[place];
        _ranges.RemoveAt(place);
        if (number < last)
            _ranges.Insert(place, (number + 1, last));
        if (first < number)
            _ranges.Insert(place, (first, number - 1));
    }

    public override string ToString() =>
        string.Join(',', _ranges.Select(r => r.First == r.Last ? r.First.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{r.First}-{r.Last}")));
}

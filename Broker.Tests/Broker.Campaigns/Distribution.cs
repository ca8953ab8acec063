using System.Globalization;

namespace Broker.Campaigns;

/// <summary>Times, and how they lie.</summary>
internal sealed class Distribution
{
    private readonly List<double> _seconds = [];

    public int Count => _seconds.Count;

    public TimeSpan Longest => TimeSpan.FromSeconds(_seconds.Count == 0 ? 0 : _seconds.Max());

    public void Add(TimeSpan time) => _seconds.Add(time.TotalSeconds);

    /// <summary>The time that this share of all is not above.</summary>
    public double At(double share)
    {
        if (_seconds.Count == 0)
            return double.NaN;
        _seconds.Sort();
        return _seconds[Math.Min(_seconds.Count - 1, (int)Math.Ceiling(share * _seconds.Count) - 1)];
    }

    public override string ToString() => _seconds.Count == 0
        ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"{Count} times, median {At(0.5):0.00} s, 90 % {At(0.9):0.00} s, longest {At(1):0.00} s");
}

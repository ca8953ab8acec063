using System.Globalization;

namespace Shop.Conductor;

/// <summary>Numbers from different places that must be the same once the shop has converged.</summary>
internal sealed record EqualNumbers(string Of, params IReadOnlyList<(string Place, long Value)> Sides)
{
    public bool AreEqual => Sides.All(s => s.Value == Sides[0].Value);

    /// <summary>Each pair of neighbours that differs.</summary>
    public IEnumerable<string> Differences => Sides.Zip(Sides.Skip(1))
        .Where(pair => pair.First.Value != pair.Second.Value)
        .Select(pair => string.Create(CultureInfo.InvariantCulture, $"{Of}: {pair.First.Place} {pair.First.Value:N0} ≠ {pair.Second.Place} {pair.Second.Value:N0}"));
}

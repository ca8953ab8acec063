using System.Globalization;
using Outbox;

namespace Broker.Dashboard.Security;

/// <summary>Which values of a JSON document nobody may see: a path such as <c>$.card.number</c>, <c>$.items[*].iban</c>, <c>$..password</c>. Names fit whatever their case.</summary>
internal sealed class MaskPath
{
    /// <summary>Any name or number.</summary>
    private const string Any = "*";

    private readonly IReadOnlyList<(string Name, bool AnyDepth)> _steps;

    private MaskPath(IReadOnlyList<(string, bool)> steps) => _steps = steps;

    /// <summary>Reads a path.</summary>
    /// <param name="text">The path.</param>
    /// <param name="key">Where it is written, for the error.</param>
    /// <exception cref="OutboxConfigurationException">It is none.</exception>
    public static MaskPath Parse(string text, string key)
    {
        var steps = new List<(string, bool)>();
        var at = 1;
        var valid = text.StartsWith('$') && text.Length > 1;
        while (valid && at < text.Length)
        {
            var anyDepth = text.AsSpan(at).StartsWith("..", StringComparison.Ordinal);
            if (text[at] == '.')
                at += anyDepth ? 2 : 1;
            else if (text[at] != '[')
                valid = false;
            if (!valid || at == text.Length)
                valid = false;
            else if (text[at] == '[')
            {
                var end = text.IndexOf(']', at);
                var name = end < 0 ? "" : text[(at + 1)..end].Trim();
                if (name is [('\'' or '"') and var quote, .., var last] && quote == last && name.Length > 2)
                    steps.Add((name[1..^1], anyDepth));
                else if (name == Any || int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                    steps.Add((name, anyDepth));
                else
                    valid = false;
                at = end + 1;
            }
            else
            {
                var end = text.IndexOfAny(['.', '['], at);
                end = end < 0 ? text.Length : end;
                valid = end > at;
                steps.Add((text[at..end], anyDepth));
                at = end;
            }
        }
        return valid ? new MaskPath(steps)
            : throw new OutboxConfigurationException($"{key} is '{text}', which is no path into a JSON document. It looks like '$.card.number', '$.items[*].iban' or '$..password'.");
    }

    /// <summary>Whether it leads to a value.</summary>
    /// <param name="path">The names and numbers from the document's root to the value.</param>
    public bool Fits(IReadOnlyList<string> path) => Fits(path, 0, 0);

    private bool Fits(IReadOnlyList<string> path, int at, int step)
    {
        if (step == _steps.Count)
            return at == path.Count;
        var (name, anyDepth) = _steps[step];
        for (var i = at; i < path.Count; i++)
        {
            if ((name == Any || name.Equals(path[i], StringComparison.OrdinalIgnoreCase)) && Fits(path, i + 1, step + 1))
                return true;
            if (!anyDepth)
                return false;
        }
        return false;
    }
}

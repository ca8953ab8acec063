using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Outbox.TwoPhaseCommit;

/// <summary>The name of a transaction over several databases, as each of them keeps it: who coordinates it, in which incarnation of the coordinator's database, and until when.</summary>
/// <remarks>
/// A prepared branch that is found alone tells everything that is needed to finish it. At most 64 bytes of lower-case ASCII, which is what XA takes for a transaction; nothing in it needs quoting.
/// </remarks>
internal readonly partial record struct TransactionId
{
    /// <summary>What every one begins with.</summary>
    public const string Prefix = "obx.";

    /// <summary>The longest name of a coordinator.</summary>
    public const int LongestCoordinator = 16;

    /// <summary>The longest name of a participant, which is what XA takes for a branch.</summary>
    public const int LongestBranch = 64;

    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    /// <summary>128 bits.</summary>
    private const int LengthOfUnique = 25;

    private readonly string _text;

    private TransactionId(string text, string coordinator, string origin, int incarnation, DateTime deadline) => (_text, Coordinator, Origin, Incarnation, Deadline) = (text, coordinator, origin, incarnation, deadline);

    /// <summary>The coordinator's name, which all nodes of a service share.</summary>
    public string Coordinator { get; }

    /// <summary>Tells the coordinator from another of the same name. A server shows the branches of all its databases, and one deployment must not finish those of another.</summary>
    public string Origin { get; }

    /// <summary>How often the coordinator's database had been restored. What a database before a restore has decided is not known to the one after it.</summary>
    public int Incarnation { get; }

    /// <summary>From then on, by the clock of where decisions are kept, anyone may abort it.</summary>
    public DateTime Deadline { get; }

    public static TransactionId New(string coordinator, string origin, int incarnation, DateTime deadline)
    {
        // Never before the deadline that was asked for.
        var seconds = (long)Math.Ceiling((deadline - DateTime.UnixEpoch).TotalSeconds);
        Span<byte> id = stackalloc byte[16];
        Guid.CreateVersion7().TryWriteBytes(id, bigEndian: true, out _);
        var unique = Base36(new UInt128(BinaryPrimitives.ReadUInt64BigEndian(id), BinaryPrimitives.ReadUInt64BigEndian(id[8..]))).PadLeft(LengthOfUnique, '0');
        return new TransactionId($"{Prefix}{coordinator}.{origin}.{Base36((UInt128)incarnation)}.{Base36((UInt128)seconds)}.{unique}", coordinator, origin, incarnation, DateTime.UnixEpoch.AddSeconds(seconds));
    }

    public static bool TryParse(string text, out TransactionId id)
    {
        id = default;
        if (Format().Match(text) is not { Success: true } match)
            return false;
        id = new TransactionId(text, match.Groups[1].Value, match.Groups[2].Value, (int)Number(match.Groups[3].Value), DateTime.UnixEpoch.AddSeconds(Number(match.Groups[4].Value)));
        return true;
    }

    /// <summary>The id of a branch where it is one text.</summary>
    public string BranchId(string branch) => $"{_text}/{branch}";

    public static bool TryParseBranch(string text, out TransactionId id, out string branch)
    {
        (id, branch) = (default, "");
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !TryParse(text[..slash], out id) || !IsName(text[(slash + 1)..], LongestBranch))
            return false;
        branch = text[(slash + 1)..];
        return true;
    }

    /// <summary>Whether something can be the name of a coordinator or a participant.</summary>
    public static bool IsName([NotNullWhen(true)] string? name, int longest) => name is not null && name.Length <= longest && Name().IsMatch(name);

    /// <inheritdoc/>
    public override string ToString() => _text ?? "";

    /// <summary>Draws what tells a coordinator from another of the same name.</summary>
    public static string NewOrigin() => RandomNumberGenerator.GetString(Digits, 6);

    private static string Base36(UInt128 number)
    {
        Span<char> digits = stackalloc char[LengthOfUnique];
        var at = digits.Length;
        do
            digits[--at] = Digits[(int)(number % 36u)];
        while ((number /= 36u) > 0u);
        return digits[at..].ToString();
    }

    private static long Number(string base36) => base36.Aggregate(0L, (number, digit) => (number * 36) + (digit <= '9' ? digit - '0' : digit - 'a' + 10));

    [GeneratedRegex(@"^obx\.([a-z0-9]+(?:-[a-z0-9]+)*)\.([0-9a-z]{6})\.([0-9a-z]{1,2})\.([0-9a-z]{1,7})\.[0-9a-z]{25}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Format();

    [GeneratedRegex(@"^[a-z0-9]+([.-][a-z0-9]+)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}

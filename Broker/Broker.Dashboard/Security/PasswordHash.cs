using Microsoft.AspNetCore.Identity;

namespace Broker.Dashboard.Security;

/// <summary>Hashes of passwords as ASP.NET Core Identity makes them: PBKDF2 with HMAC-SHA512, 100,000 rounds and a salt of their own.</summary>
internal static class PasswordHash
{
    private static readonly PasswordHasher<DashboardUser> Hasher = new();
    private static readonly DashboardUser Nobody = new("", "", "");

    /// <summary>What to keep of a password.</summary>
    public static string Of(string password) => Hasher.HashPassword(Nobody, password);

    /// <summary>Whether a password is the one that was hashed. Takes as long for a wrong one as for the right one.</summary>
    public static bool Fits(string hash, string password) => Hasher.VerifyHashedPassword(Nobody, hash, password) != PasswordVerificationResult.Failed;

    /// <summary>Whether a text can be such a hash.</summary>
    public static bool IsOne(string text)
    {
        var bytes = new byte[text.Length];
        // Version 3 of the format: a marker, three numbers of four bytes, a salt and a key of at least 16 each.
        return Convert.TryFromBase64String(text, bytes, out var length) && length >= 1 + 12 + 32 && bytes[0] == 1;
    }
}

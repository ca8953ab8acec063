using System.Runtime.CompilerServices;

namespace Broker.Tests.Support;

/// <summary>Compares a text with the one that a person has approved, kept in Broker.Tests/Approved.</summary>
internal static class Approved
{
    /// <summary>The root of the source tree.</summary>
    public static string Root { get; } = Path.GetFullPath("../..", Path.GetDirectoryName(Here())!);

    public static void Verify(string name, string text)
    {
        var approved = Path.Combine(Root, "Broker.Tests", "Approved", name);
        var received = Path.Combine(Root, "artifacts", "received", name);
        Directory.CreateDirectory(Path.GetDirectoryName(received)!);
        text = text.ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (File.Exists(approved) && File.ReadAllText(approved).ReplaceLineEndings("\n") == text)
        {
            File.Delete(received);
            return;
        }
        File.WriteAllText(received, text);
        Assert.That(
            text,
            Is.EqualTo(File.Exists(approved) ? File.ReadAllText(approved).ReplaceLineEndings("\n") : ""),
            $"{name} is not what was approved. If the change is meant, approve it: cp {Path.GetRelativePath(Root, received)} {Path.GetRelativePath(Root, approved)}");
    }

    /// <summary>An approved text; null if there is none of that name.</summary>
    public static string? Find(string name) => Path.Combine(Root, "Broker.Tests", "Approved", name) is var file && File.Exists(file) ? File.ReadAllText(file) : null;

    private static string Here([CallerFilePath] string path = "") => path;
}

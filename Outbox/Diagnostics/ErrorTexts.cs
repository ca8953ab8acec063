using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;

namespace Outbox.Diagnostics;

/// <summary>The texts of errors as <see cref="Exception.ToString"/> gives them, for a twentieth of the price when one was thrown at the same place before.</summary>
/// <remarks>
/// The dear part is the stack: names of methods, files and lines. What fails a thousand times fails at the same place, so stacks are remembered by their methods and offsets. Type and message are of each error itself.
/// What a stack was given by <see cref="System.Runtime.ExceptionServices.ExceptionDispatchInfo.SetRemoteStackTrace"/> does not tell two apart. Safe for concurrent use.
/// </remarks>
internal sealed class ErrorTexts
{
    private const int Most = 256;

    private readonly ConcurrentDictionary<Place, string?> _stacks = new();

    /// <summary>The text of an error.</summary>
    public string Of(Exception error)
    {
        // Many a driver's errors tell more than the usual; they cost what they cost.
        if (IsOverridden(error.GetType(), nameof(ToString)) || IsOverridden(error.GetType(), "get_" + nameof(Exception.StackTrace)))
            return error.ToString();
        var text = error.GetType().ToString();
        if (error.Message is { Length: > 0 } message)
            text += ": " + message;
        if (error.InnerException is { } inner)
            text += Environment.NewLine + " ---> " + Of(inner) + Environment.NewLine + "   --- End of inner exception stack trace ---";
        return StackOf(error) is { } stack ? text + Environment.NewLine + stack : text;
    }

    private static bool IsOverridden(Type type, string method) => type.GetMethod(method, Type.EmptyTypes)?.DeclaringType != typeof(Exception);

    private string? StackOf(Exception error)
    {
        var frames = new StackTrace(error, fNeedFileInfo: false).GetFrames();
        if (frames.Length == 0)
            return error.StackTrace;
        var place = new Place([.. frames.Select(f => (f.GetMethod(), f.GetILOffset() is var offset and not StackFrame.OFFSET_UNKNOWN ? offset : f.GetNativeOffset()))]);
        if (_stacks.TryGetValue(place, out var known))
            return known;
        if (_stacks.Count >= Most)
            _stacks.Clear();
        return _stacks[place] = error.StackTrace;
    }

    /// <summary>Where an error was thrown, and through what it came.</summary>
    private sealed class Place(IReadOnlyList<(MethodBase? Method, int Offset)> frames) : IEquatable<Place>
    {
        private readonly IReadOnlyList<(MethodBase? Method, int Offset)> _frames = frames;
        private readonly int _hash = frames.Aggregate(0, HashCode.Combine);

        public bool Equals(Place? other) => other is not null && _hash == other._hash && _frames.SequenceEqual(other._frames);

        public override bool Equals(object? obj) => Equals(obj as Place);

        public override int GetHashCode() => _hash;
    }
}

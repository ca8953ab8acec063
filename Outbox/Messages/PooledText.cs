using System.Buffers;
using System.Text;
using Newtonsoft.Json;

namespace Outbox.Messages;

/// <summary>A body's text for a JSON reader, in memory that is used again.</summary>
internal sealed class PooledText : TextReader
{
    private readonly int _length;
    private char[] _text;
    private int _place;

    /// <param name="body">The bytes.</param>
    /// <param name="encoding">How to read them; it throws for what they are not.</param>
    public PooledText(ReadOnlySpan<byte> body, Encoding encoding)
    {
        _text = ArrayPool<char>.Shared.Rent(encoding.GetMaxCharCount(body.Length));
        try
        {
            _length = encoding.GetChars(body, _text);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The reader's own memory, from the same pool.</summary>
    public static IArrayPool<char> Buffers { get; } = new Pool();

    public override int Peek() => _place < _length ? _text[_place] : -1;

    public override int Read() => _place < _length ? _text[_place++] : -1;

    public override int Read(char[] buffer, int index, int count)
    {
        count = Math.Min(count, _length - _place);
        Array.Copy(_text, _place, buffer, index, count);
        _place += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (_text.Length > 0)
            ArrayPool<char>.Shared.Return(_text);
        _text = [];
        _place = _length;
    }

    private sealed class Pool : IArrayPool<char>
    {
        public char[] Rent(int minimumLength) => ArrayPool<char>.Shared.Rent(minimumLength);

        public void Return(char[]? array)
        {
            if (array is not null)
                ArrayPool<char>.Shared.Return(array);
        }
    }
}

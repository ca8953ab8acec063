namespace Broker.Relay;

/// <summary>Memory for the bodies of rows, used again once their messages are confirmed: a fresh array for each of them would be most of what a relay allocates. Thread-safe, but for <see cref="Take"/>: one reader at a time.</summary>
/// <remarks>
/// Blocks are small, so that a row which waits for long keeps little else from being used again. A block of which any row is never given back, because it was dropped or not confirmed,
/// is simply left to the garbage collector: only a confirm proves that nobody reads a body any more.
/// </remarks>
internal sealed class BodyPool
{
    private const int BlockSize = 64 * 1024;
    private const int MaxFree = 512;

    private readonly Free _free;
    private Block? _current;

    /// <summary>A pool with free blocks of its own.</summary>
    public BodyPool()
        : this(new Free())
    {
    }

    /// <summary>A pool that shares its free blocks with others.</summary>
    public BodyPool(Free free) => _free = free;

    /// <summary>Blocks that nobody uses. Thread-safe.</summary>
    internal sealed class Free
    {
        private readonly Lock _lock = new();
        private readonly Stack<Block> _blocks = [];

        /// <summary>Those of the whole process: what a node keeps does not grow with its partitions.</summary>
        public static Free Shared { get; } = new();

        /// <summary>The one that was used last, which is the most likely to be in a processor's cache still. Null: there is none.</summary>
        public Block? Take()
        {
            lock (_lock)
                return _blocks.TryPop(out var block) ? block : null;
        }

        public void Add(Block block)
        {
            lock (_lock)
            {
                if (_blocks.Count < MaxFree)
                    _blocks.Push(block);
            }
        }
    }

    /// <summary>A piece of memory shared by several bodies.</summary>
    internal sealed class Block(Free free, byte[] bytes)
    {
        /// <summary>One for each body, and one as long as more are added.</summary>
        private int _users = 1;

        public byte[] Bytes => bytes;

        public int Used { get; set; }

        public void Use() => Interlocked.Increment(ref _users);

        public void GiveBack()
        {
            if (Interlocked.Decrement(ref _users) > 0 || bytes.Length != BlockSize)
                return;
            (Used, _users) = (0, 1);
            free.Add(this);
        }
    }

    /// <summary>Memory for one body. Whoever holds the body calls <see cref="Block.GiveBack"/> once when nobody reads it any more, or never.</summary>
    public (Block Block, int Offset) Take(int length)
    {
        if (length > BlockSize / 4)
            return (new Block(_free, new byte[length]), 0);
        if (_current is null || BlockSize - _current.Used < length)
        {
            _current?.GiveBack();
            _current = _free.Take() ?? new Block(_free, GC.AllocateUninitializedArray<byte>(BlockSize));
        }
        var offset = _current.Used;
        _current.Used += length;
        _current.Use();
        return (_current, offset);
    }
}

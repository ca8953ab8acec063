using System.Net.Sockets;

namespace Outbox.RabbitMQ;

/// <summary>A socket's stream that sends what was written while the last piece was on its way as one piece.</summary>
/// <remarks>
/// The client library writes each message for itself: a system call and a packet for each, here and at the broker. Nothing waits to be gathered: the first write is sent at once.
/// A completed write means as little as on any socket: that the bytes are on their way. What became of them the broker's confirms tell (G2).
/// A failure reaches the next write, and the reader of the socket. Writes come one at a time, as from any stream's user.
/// </remarks>
internal sealed class GatheringStream(Socket socket) : NetworkStream(socket, ownsSocket: false), IThreadPoolWorkItem
{
    /// <summary>Most that waits behind the piece on its way; then writes wait too.</summary>
    internal const int Room = 256 * 1024;

    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private byte[] _gathered = new byte[Room];
    private byte[] _leaving = new byte[Room];
    private int _count;
    private bool _isSending;
    private TaskCompletionSource? _whenSent;
    private IOException? _failure;

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        TryGather(buffer.Span, out var whenSent) ? ValueTask.CompletedTask : WriteSlowlyAsync(buffer, whenSent!, cancellationToken);

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer) => WriteAsync(buffer.ToArray()).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void WriteByte(byte value) => Write([value]);

    /// <inheritdoc/>
    public override IAsyncResult BeginWrite(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(WriteAsync(buffer, offset, count, CancellationToken.None), callback, state);

    /// <inheritdoc/>
    public override void EndWrite(IAsyncResult asyncResult) => TaskToAsyncResult.End(asyncResult);

    /// <summary>Waits a while for what was written, so that a goodbye reaches the broker.</summary>
    public override async ValueTask DisposeAsync()
    {
        var patience = Task.Delay(LongestGoodbye);
        while (!patience.IsCompleted)
        {
            Task whenSent;
            lock (_lock)
            {
                if (!_isSending)
                    break;
                whenSent = WhenSent();
            }
            await Task.WhenAny(whenSent, patience).ConfigureAwait(false);
        }
        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Sends what is gathered until nothing is.</summary>
    async void IThreadPoolWorkItem.Execute()
    {
        while (true)
        {
            int count;
            TaskCompletionSource? whenSent;
            lock (_lock)
            {
                (whenSent, _whenSent) = (_whenSent, null);
                (count, _count) = (_count, 0);
                (_gathered, _leaving) = (_leaving, _gathered);
                _isSending = count > 0;
            }
            whenSent?.SetResult();
            if (count == 0)
                return;
            try
            {
                await base.WriteAsync(_leaving.AsMemory(0, count), CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                // Nobody waits for this piece: whoever writes next is told.
                lock (_lock)
                {
                    _failure = new IOException(exception.Message, exception);
                    (whenSent, _whenSent) = (_whenSent, null);
                    (_count, _isSending) = (0, false);
                }
                whenSent?.SetResult();
                return;
            }
        }
    }

    private bool TryGather(ReadOnlySpan<byte> bytes, out Task? whenSent)
    {
        whenSent = null;
        lock (_lock)
        {
            if (_failure is not null)
                throw new IOException(_failure.Message, _failure);
            if (bytes.Length > Room - _count)
            {
                whenSent = _isSending ? WhenSent() : Task.CompletedTask;
                return false;
            }
            bytes.CopyTo(_gathered.AsSpan(_count));
            _count += bytes.Length;
            if (_isSending)
                return true;
            _isSending = true;
        }
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
        return true;
    }

    private async ValueTask WriteSlowlyAsync(ReadOnlyMemory<byte> buffer, Task whenSent, CancellationToken cancellationToken)
    {
        do
        {
            await whenSent.WaitAsync(cancellationToken).ConfigureAwait(false);
            // More than there is ever room for goes in pieces.
            while (buffer.Length > 0 && TryGather(buffer.Span[..Math.Min(buffer.Length, Room)], out whenSent!))
                buffer = buffer[Math.Min(buffer.Length, Room)..];
        }
        while (buffer.Length > 0);
    }

    /// <summary>Completes when what is gathered now has begun to leave, or never will. Called with the lock held.</summary>
    private Task WhenSent() => (_whenSent ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
}

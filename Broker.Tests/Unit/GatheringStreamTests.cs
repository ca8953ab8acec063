using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Outbox.RabbitMQ;

namespace Broker.Tests.Unit;

internal sealed class GatheringStreamTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private Socket _peer = null!;
    private Socket _socket = null!;
    private GatheringStream _stream = null!;

    [SetUp]
    public async Task Connect()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await _socket.ConnectAsync(listener.LocalEndPoint!);
        _peer = await listener.AcceptAsync();
        _stream = new GatheringStream(_socket);
    }

    [TearDown]
    public async Task Disconnect()
    {
        await _stream.DisposeAsync();
        _socket.Dispose();
        _peer.Dispose();
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public async Task What_is_written_arrives_whole_and_in_order(int seed)
    {
        var random = new Random(seed);
        var sent = new byte[8_000_000];
        random.NextBytes(sent);
        var received = ReadAsync(sent.Length);
        for (var at = 0; at < sent.Length;)
        {
            var length = Math.Min(sent.Length - at, random.Next(20) == 0 ? random.Next(3 * GatheringStream.Room) : random.Next(2_000));
            var piece = sent.AsMemory(at, length);
            switch (random.Next(12))
            {
                case 0:
                    _stream.Write(piece.Span);
                    break;
                case 1 when length > 0:
                    _stream.WriteByte(piece.Span[0]);
                    length = 1;
                    break;
                case 2:
                    await Task.Factory.FromAsync(_stream.BeginWrite, _stream.EndWrite, piece.ToArray(), 0, length, null);
                    break;
                default:
                    // The client's buffer serves the next message as soon as the write completes.
                    var buffer = piece.ToArray();
                    await _stream.WriteAsync(buffer);
                    Array.Clear(buffer);
                    break;
            }
            at += length;
            if (random.Next(500) == 0)
                await Task.Delay(1);
        }
        Assert.That((await received.WaitAsync(Patience)).AsSpan().SequenceEqual(sent), "the bytes are those that were sent");
    }

    [Test]
    public async Task A_lone_write_is_sent_without_anything_after_it()
    {
        await _stream.WriteAsync("hello"u8.ToArray());
        Assert.That(await ReadAsync(5).WaitAsync(Patience), Is.EqualTo("hello"u8.ToArray()));
    }

    [Test]
    public async Task A_peer_that_does_not_read_stops_the_writer_until_it_does()
    {
        _socket.SendBufferSize = _peer.ReceiveBufferSize = 16 * 1024;
        var piece = new byte[10_000];
        var written = 0;
        Task write;
        while (true)
        {
            write = _stream.WriteAsync(piece).AsTask();
            if (!write.IsCompleted)
            {
                // The loopback takes what it can in a moment.
                await Task.WhenAny(write, Task.Delay(200));
                if (!write.IsCompleted)
                    break;
            }
            Assert.That(++written, Is.LessThan(10_000), "100 MB that nobody reads were taken");
        }
        var received = ReadAsync((written + 1) * piece.Length);
        await write.WaitAsync(Patience);
        Assert.That(await received.WaitAsync(Patience), Has.Length.EqualTo((written + 1) * piece.Length));
    }

    [Test]
    public void A_waiting_write_can_be_cancelled()
    {
        _socket.SendBufferSize = _peer.ReceiveBufferSize = 16 * 1024;
        using var tired = new CancellationTokenSource(300);
        Assert.That(async () =>
        {
            while (true)
                await _stream.WriteAsync(new byte[10_000], tired.Token);
        }, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_lost_connection_fails_the_writes_after_it()
    {
        _peer.LingerState = new LingerOption(true, 0);
        _peer.Close();
        var writes = 0;
        Assert.That(async () =>
        {
            while (++writes < 1_000)
            {
                await _stream.WriteAsync(new byte[1_000]);
                await Task.Delay(5);
            }
        }, Throws.InstanceOf<IOException>());
        Assert.That(async () => await _stream.WriteAsync(new byte[1]), Throws.InstanceOf<IOException>(), "it stays lost");
    }

    [Test]
    public async Task A_write_that_waits_fails_when_the_connection_is_lost()
    {
        _socket.SendBufferSize = _peer.ReceiveBufferSize = 16 * 1024;
        var writing = Task.Run(async () =>
        {
            while (true)
                await _stream.WriteAsync(new byte[10_000]);
        });
        await Task.Delay(300);
        _peer.LingerState = new LingerOption(true, 0);
        _peer.Close();
        Assert.That(async () => await writing.WaitAsync(Patience), Throws.InstanceOf<IOException>());
    }

    [Test]
    public async Task What_was_written_before_the_end_still_arrives()
    {
        var received = ReadAsync(30 * 50_000);
        for (var i = 0; i < 30; i++)
            await _stream.WriteAsync(new byte[50_000]);
        await _stream.DisposeAsync();
        _socket.Shutdown(SocketShutdown.Both);
        Assert.That(await received.WaitAsync(Patience), Has.Length.EqualTo(30 * 50_000));
    }

    [Test]
    public async Task The_end_does_not_wait_long_for_a_peer_that_does_not_read()
    {
        _socket.SendBufferSize = _peer.ReceiveBufferSize = 16 * 1024;
        using var tired = new CancellationTokenSource(300);
        try
        {
            while (true)
                await _stream.WriteAsync(new byte[10_000], tired.Token);
        }
        catch (OperationCanceledException)
        {
            // Full.
        }
        await _stream.DisposeAsync().AsTask().WaitAsync(Patience);
    }

    [Test]
    public async Task TLS_goes_through_it()
    {
        using var key = RSA.Create(2_048);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        await using var server = new SslStream(new NetworkStream(_peer));
        await using var client = new SslStream(_stream);
        await Task.WhenAll(
            server.AuthenticateAsServerAsync(certificate),
            client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { certificate }, RevocationMode = X509RevocationMode.NoCheck } }))
            .WaitAsync(Patience);
        var sent = RandomNumberGenerator.GetBytes(1_000_000);
        var received = new byte[sent.Length];
        var reading = server.ReadExactlyAsync(received).AsTask();
        for (var at = 0; at < sent.Length; at += 1_000)
            await client.WriteAsync(sent.AsMemory(at, 1_000));
        await reading.WaitAsync(Patience);
        Assert.That(received.AsSpan().SequenceEqual(sent));
    }

    private async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await _peer.ReceiveAsync(bytes.AsMemory(at));
            if (read == 0)
                return bytes[..at];
            at += read;
        }
        return bytes;
    }
}

using System.Data.Common;
using System.Text;
using Broker.Tests.Support;
using Outbox.Messages;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>A home-made outbox as Samples/Polyglot/migrating finds it: programs that write to app_outbox, and a dispatcher that sends what has no sent_at. None of them knows of ours.</summary>
internal sealed class OldOutbox(TestDatabase database, ITransport transport, string exchange) : IAsyncDisposable
{
    public const string Type = "accounts.account-changed.v1";

    private static readonly string[] Accounts = ["a", "b", "c"];

    private readonly CancellationTokenSource _writersStop = new();
    private readonly CancellationTokenSource _dispatcherStops = new();
    private Task _writers = Task.CompletedTask;
    private Task _dispatcher = Task.CompletedTask;
    private int _written;
    private int _sent;

    /// <summary>Events that were committed.</summary>
    public int Written => Volatile.Read(ref _written);

    /// <summary>Messages that the old dispatcher sent.</summary>
    public int Sent => Volatile.Read(ref _sent);

    public void Start()
    {
        _writers = Task.WhenAll(Enumerable.Range(0, 3).Select(n => Task.Run(() => WriteAsync(n))));
        _dispatcher = Task.Run(DispatchAsync);
    }

    public async Task StopWritersAsync()
    {
        await _writersStop.CancelAsync();
        await _writers;
    }

    public async Task StopDispatcherAsync()
    {
        await _dispatcherStops.CancelAsync();
        await _dispatcher;
    }

    public async ValueTask DisposeAsync()
    {
        await _writersStop.CancelAsync();
        await _dispatcherStops.CancelAsync();
        await Task.WhenAll(_writers, _dispatcher).ContinueWith(_ => { }, TaskScheduler.Default);
        _writersStop.Dispose();
        _dispatcherStops.Dispose();
    }

    private async Task WriteAsync(int first)
    {
        for (var i = first; !_writersStop.IsCancellationRequested; i++)
        {
            await using var connection = await database.DataSource.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await WriteAsync(transaction, Accounts[i % Accounts.Length]);
            if (i % 10 == 0)
            {
                await transaction.RollbackAsync();
                continue;
            }
            await transaction.CommitAsync();
            Interlocked.Increment(ref _written);
            // Programs do other things too; writers that never paused would leave nobody else a SQLite file.
            await Task.Delay(1);
        }
    }

    private static async Task WriteAsync(DbTransaction transaction, string account)
    {
        var connection = transaction.Connection!;
        await connection.Command("UPDATE accounts SET events = events + 1 WHERE id = @account", transaction).With("account", account).ExecuteAsync(CancellationToken.None);
        var number = await connection.Command("SELECT events FROM accounts WHERE id = @account", transaction).With("account", account).ScalarAsync(CancellationToken.None);
        await connection.Command("INSERT INTO app_outbox (event_id, type, payload) VALUES (@id, @type, @payload)", transaction)
            .With("id", Guid.CreateVersion7()).With("type", Type).With("payload", $$"""{"account":"{{account}}","number":{{number}},"owner":"Zoë"}""")
            .ExecuteAsync(CancellationToken.None);
    }

    private async Task DispatchAsync()
    {
        await using var channel = await transport.OpenPublishChannelAsync(new PublishChannelOptions { Exchange = exchange }, CancellationToken.None);
        while (!_dispatcherStops.IsCancellationRequested)
        {
            foreach (var row in await database.QueryAsync(database.Limit($"SELECT id, {database.Text("event_id")}, type, payload FROM app_outbox WHERE sent_at IS NULL ORDER BY id", 20)))
            {
                var body = Encoding.UTF8.GetBytes(row[3]!);
                var account = (string)Newtonsoft.Json.Linq.JObject.Parse(row[3]!)["account"]!;
                await channel.PublishAsync(new Envelope { MessageId = Guid.Parse(row[1]!), Type = row[2]!, Body = body, PartitionKey = account, Source = "old" }, 0, CancellationToken.None);
                Assert.That((await channel.Results.ReadAsync()).Outcome, Is.EqualTo(PublishOutcome.Confirmed));
                Interlocked.Increment(ref _sent);
                await database.ExecuteAsync("UPDATE app_outbox SET sent_at = CURRENT_TIMESTAMP WHERE id = @id", ("id", long.Parse(row[0]!, System.Globalization.CultureInfo.InvariantCulture)));
            }
        }
    }
}

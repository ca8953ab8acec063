using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Tests.EndToEnd;

/// <summary>G7: a queue that answers neither with an ack nor with a nack, because it has lost its majority for example, delays only its own messages.</summary>
internal sealed class SilentQueueTests
{
    private const string Silent = "tests.silent.v1";
    private const string Flowing = "tests.flowing.v1";

    private readonly Lock _lock = new();
    private readonly List<ScriptedTransport.Sent> _unanswered = [];
    private TestDatabase _database = null!;
    private ScriptedTransport _transport = null!;
    private bool _isBack;

    [SetUp]
    public async Task Prepare()
    {
        (_transport, _isBack) = (new ScriptedTransport(), false);
        _unanswered.Clear();
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
    }

    [TearDown]
    public ValueTask Close() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task A_window_full_of_unanswered_messages_is_given_up_and_other_types_flow()
    {
        await InsertAsync(Silent, 5);
        await InsertAsync(Flowing, 5);
        var log = new TestLog();
        await using var drain = await StartAsync(window: 2, log);
        using var answering = Answer(_ => PublishOutcome.Confirmed);

        await Eventually.EqualsAsync(() => CountAsync(Flowing), 0, "the others leave");
        Assert.That(await CountAsync(Silent), Is.EqualTo(5), "what was not answered stays");
        await log.FirstAsync($"messages of type '{Silent}' to exchange 'events' cannot be published: the broker has not answered for 30 seconds");
        await InsertAsync(Flowing, 5);
        await Eventually.EqualsAsync(() => CountAsync(Flowing), 0, "later ones leave too");

        ComeBack();
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "the messages of the queue that came back leave by themselves");
    }

    [Test]
    public async Task A_nacked_channel_does_not_wait_for_ever_for_the_answers_of_another_queue()
    {
        await InsertAsync(Silent, 1);
        await InsertAsync("tests.nacked.v1", 1);
        await InsertAsync(Flowing, 1);
        await using var drain = await StartAsync(window: 100);
        // As after the death of a leader: the old channel goes on being nacked, a new one works.
        using var answering = Answer(sent => sent.Envelope.Type == "tests.nacked.v1" && _transport.Channels == 1 ? PublishOutcome.Nacked : PublishOutcome.Confirmed);

        await Eventually.EqualsAsync(() => CountAsync("tests.nacked.v1"), 0, "the nacked message is published on a new channel");

        await InsertAsync(Flowing, 3);
        await Eventually.EqualsAsync(() => CountAsync(Flowing), 0, "the others flow");
        ComeBack();
        await Eventually.EqualsAsync(() => _database.CountAsync("outbox_messages"), 0, "all rows are settled");
    }

    [Test]
    public async Task A_broker_that_answers_slowly_keeps_its_channel()
    {
        var time = new FakeTimeProvider();
        await InsertAsync(Silent, 2);
        await using var drain = await StartAsync(window: 100, time: time);
        var (first, second) = (await _transport.NextAsync(), await _transport.NextAsync());

        time.Advance(TimeSpan.FromSeconds(20));
        first.Answer(PublishOutcome.Confirmed);
        await LeftAsync(1);
        time.Advance(TimeSpan.FromSeconds(20));
        await InsertAsync(Flowing, 1);
        // It is sent after the relay has looked at its clock again.
        (await NextAsync()).Answer(PublishOutcome.Confirmed);
        second.Answer(PublishOutcome.Confirmed);

        await LeftAsync(0);
        Assert.That(_transport.Channels, Is.EqualTo(1), "it was silent for less than its patience at a time");

        // Waits of the relay, for polls and portions, pass while the test does.
        Task LeftAsync(int count) => Eventually.EqualsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(20));
                return _database.CountAsync("outbox_messages");
            },
            count, "the rows left");

        async Task<ScriptedTransport.Sent> NextAsync()
        {
            var next = _transport.NextAsync();
            await Eventually.IsTrueAsync(
                () =>
                {
                    time.Advance(TimeSpan.FromMilliseconds(20));
                    return Task.FromResult(next.IsCompleted);
                },
                "the next message is sent");
            return await next;
        }
    }

    private async Task InsertAsync(string type, int count)
    {
        for (var i = 0; i < count; i++)
            await _database.InsertAsync(type);
    }

    private Task<long> CountAsync(string type) => _database.CountAsync($"outbox_messages WHERE type = '{type}'");

    private Task<Drain> StartAsync(int window, TestLog? log = null, TimeProvider? time = null) => Drain.StartAsync(
        _database, _transport, options: new RelayOptions { Window = window, RetryDelay = TimeSpan.FromSeconds(1), MaxRetryDelay = TimeSpan.FromSeconds(4), DrainTimeout = TimeSpan.Zero }, log: log, time: time ?? new HurriedTime(100));

    /// <summary>Answers every message but those of the silent queue.</summary>
    private CancellationTokenSource Answer(Func<ScriptedTransport.Sent, PublishOutcome> answer)
    {
        var stop = new CancellationTokenSource();
        _ = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var sent = await _transport.NextAsync();
                lock (_lock)
                {
                    if (sent.Envelope.Type == Silent && !_isBack)
                        _unanswered.Add(sent);
                    else
                        sent.Answer(answer(sent));
                }
            }
        });
        return stop;
    }

    /// <summary>The silent queue has its majority again, and answers what it holds.</summary>
    private void ComeBack()
    {
        lock (_lock)
        {
            _isBack = true;
            _unanswered.ForEach(s => s.Answer(PublishOutcome.Confirmed));
        }
    }
}

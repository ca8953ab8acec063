using Broker.Relay;
using Outbox.Sagas;

namespace Broker.Tests.Conformance;

/// <content>What comes late, again, or to others.</content>
internal abstract partial class SagaSuite
{
    [Test]
    public async Task A_reply_is_an_event_like_any_other_to_whoever_takes_no_part()
    {
        await _stage.PlaceAsync("1");
        var reply = await _stage.UntilAsync<StockReserved>();
        var other = Guid.CreateVersion7();

        await _stage.DeliverAsync(reply);
        await _stage.DeliverAsync(reply, other);

        Assert.That(_stage.Script.Noted, Is.EqualTo(new[] { reply.Id, other }), "two messages, though they answer one call");
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("completed", "999 0 1 1 1")));
    }

    [Test]
    public async Task Somebody_else_who_cannot_take_a_reply_does_not_turn_the_saga_back()
    {
        _stage.Script.Answers["Audit"] = "fail";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That(await _stage.Database.CountAsync("dead_letters"), Is.EqualTo(1));
        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("completed"));
        Assert.That(_stage.Written.Where(m => m.Type == SagaMessage.TypeFor("checkout")).Select(m => SagaMessage.Json.Deserialize(m.Body, typeof(SagaMessage))).Cast<SagaMessage>().Select(m => m.Kind), Has.None.EqualTo(SagaMessage.Failed));
    }

    [Test]
    public async Task What_an_operator_says_of_an_operation_does_not_hit_the_next_one()
    {
        (_stage.Script.Answers["Ship"], _stage.Script.Answers["RefundPayment"], _stage.Script.Answers["ReleaseStock"]) = ("refuse", "fail", "fail");
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();
        var desk = new SagaDesk(_stage.Database.DataSource, dialect, "ada");
        await desk.GiveUpAsync("checkout", "1", "paid back by hand", CancellationToken.None);
        await desk.GiveUpAsync("checkout", "1", "a second click", CancellationToken.None);
        var said = await _stage.TakeAsync();
        await _stage.DeliverAsync(said[0]);
        await _stage.RunAsync();
        Assert.That(await ParkedAtAsync(), Is.EqualTo("stock"), "it went on, and is parked again");

        await _stage.DeliverAsync(said[1]);
        await _stage.RunAsync();

        Assert.That(await ParkedAtAsync(), Is.EqualTo("stock"));
        Assert.That(await _stage.HistoryAsync("1"), Has.Exactly(1).EndsWith("given-up"));

        async Task<string?> ParkedAtAsync() => await _stage.Database.ScalarAsync<string>("SELECT step FROM sagas WHERE status = 'parked'");
    }

    [Test]
    public async Task A_refusal_that_was_lost_is_told_again_when_the_operation_is_sent_again()
    {
        _stage.Script.Answers["SendInvoice"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.DeliverAsync(await _stage.UntilAsync<SendInvoice>());
        await _stage.TakeAsync();

        await _stage.TellAsync(SagaMessage.Retry, "1", "no answer", "invoice", "action");
        await _stage.RunAsync();

        Assert.That(await _stage.HistoryAsync("1"), Has.Some.EqualTo("invoice action refused"));
    }

    [Test]
    public async Task A_saga_begins_anew_over_what_is_left_of_the_history_of_one_that_was_forgotten()
    {
        _stage.Script.Answers["ReserveStock"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();
        // A death between the two deletes of retention.
        await _stage.Database.ExecuteAsync("DELETE FROM sagas");

        await _stage.PlaceAsync("1");

        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("running"));
        Assert.That(await _stage.HistoryAsync("1"), Is.EqualTo(new[] { "started", "stock action sent" }));
    }

    [Test]
    public async Task A_wait_is_never_longer_than_every_engine_can_add()
    {
        await using var stage = await SagaStage.CreateAsync(dialect, options => (options.AnswerWithin, options.RetryDelay, options.MaxRetryDelay) = (TimeSpan.FromDays(20), TimeSpan.FromDays(20), TimeSpan.FromDays(20)));
        stage.Script.Answers["SendInvoice"] = "refuse";
        await stage.PlaceAsync("1");
        await stage.DeliverAsync(await stage.UntilAsync<SendInvoice>());
        await stage.DeliverAsync((await stage.TakeAsync()).Single());

        Assert.That(await stage.Database.CountAsync($"sagas WHERE deadline BETWEEN {stage.Database.Time(TimeSpan.FromDays(19))} AND {stage.Database.Time(TimeSpan.FromDays(20))}"), Is.EqualTo(1));
    }
}

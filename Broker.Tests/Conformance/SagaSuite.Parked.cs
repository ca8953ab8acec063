using Microsoft.Extensions.DependencyInjection;
using Outbox.Sagas;

namespace Broker.Tests.Conformance;

/// <content>What cannot go on by itself, and how a person ends it.</content>
internal abstract partial class SagaSuite
{
    [Test]
    public async Task A_compensation_that_fails_is_parked_and_finished_by_a_retry()
    {
        (_stage.Script.Answers["TakePayment"], _stage.Script.Answers["ReleaseStock"]) = ("refuse", "fail");
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();
        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("parked"));
        Assert.That((await _stage.Database.QueryAsync("SELECT trouble, reason FROM sagas")).Single(), Is.EqualTo(new[] { "ReleaseStock is broken", "step 'payment' was refused: TakePayment is not possible" }));
        Assert.That(await _stage.ShelfAsync(), Is.EqualTo("999 1 0 0 0"));

        _stage.Script.Answers.Remove("ReleaseStock");
        await _stage.TellAsync(SagaMessage.Retry, "1", "mended");
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
        Assert.That(await _stage.HistoryAsync("1"), Does.Contain("stock compensation parked").And.Contain("stock compensation retried"));
        Assert.That((await _stage.Database.QueryAsync("SELECT actor, reason FROM saga_steps WHERE event = 'retried'")).Single(), Is.EqualTo(new[] { "ada", "mended" }));
        Assert.That(_stage.Written.Single(m => m.Is<OrderRejected>()).Text, Does.Contain("TakePayment is not possible"));
    }

    [Test]
    public async Task What_is_given_up_is_written_down_and_the_rest_is_undone()
    {
        (_stage.Script.Answers["Ship"], _stage.Script.Answers["RefundPayment"]) = ("refuse", "fail");
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();
        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("parked"));

        await _stage.TellAsync(SagaMessage.GiveUp, "1", "paid back by hand");
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("failed", "1000 0 0 1 0")), "the payment is a person's now, the stock is released");
        Assert.That((await _stage.Database.QueryAsync("SELECT step, actor, reason FROM saga_steps WHERE event = 'given-up'")).Single(), Is.EqualTo(new[] { "payment", "ada", "paid back by hand" }));
    }

    [Test]
    public async Task Only_what_is_parked_can_be_given_up()
    {
        await _stage.PlaceAsync("1");
        await _stage.UntilAsync<TakePayment>();
        await _stage.TellAsync(SagaMessage.GiveUp, "1", "too early");

        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("running"));
    }

    [Test]
    public async Task A_refused_compensation_is_asked_for_again_after_a_while_and_then_parked()
    {
        (_stage.Script.Answers["TakePayment"], _stage.Script.Answers["ReleaseStock"]) = ("refuse", "refuse");
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("parked"));
        var asked = _stage.Written.Where(m => m.Is<ReleaseStock>()).ToList();
        Assert.That(asked.Select(m => m.IsDelayed), Is.EqualTo(new[] { false, true }));
        _stage.Script.Answers.Remove("ReleaseStock");
        // Copies of what was refused must not undo anything now.
        await _stage.DeliverAsync(asked[0], Guid.CreateVersion7());
        await _stage.DeliverAsync(asked[1], Guid.CreateVersion7());
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("parked", "999 1 0 0 0")));

        await _stage.TellAsync(SagaMessage.Retry, "1", "now");
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
    }

    [Test]
    public async Task A_compensation_without_an_answer_is_sent_again_then_parked_and_a_late_answer_ends_it()
    {
        _stage.Script.Answers["TakePayment"] = "refuse";
        await _stage.PlaceAsync("1");
        var first = await _stage.UntilAsync<ReleaseStock>();
        await _stage.FireAsync();
        var second = await _stage.UntilAsync<ReleaseStock>();
        await _stage.FireAsync();
        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("parked"));

        await _stage.DeliverAsync(second);
        await _stage.DeliverAsync(first);
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
    }

    [Test]
    public async Task After_the_pivot_there_is_no_way_back()
    {
        _stage.Script.Answers["SendInvoice"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("parked", "999 0 1 1 0")));
        Assert.That(_stage.Written.Any(m => m.Is<RefundPayment>() || m.Is<ReleaseStock>()), Is.False);

        _stage.Script.Answers.Remove("SendInvoice");
        await _stage.TellAsync(SagaMessage.Retry, "1", "the printer is back");
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("completed", "999 0 1 1 1")));
    }

    [Test]
    public async Task A_pivot_that_cannot_be_undone_is_asked_again_when_it_does_not_answer()
    {
        await _stage.PlaceAsync("1");
        var first = await _stage.UntilAsync<Ship>();
        await _stage.FireAsync();
        var second = await _stage.UntilAsync<Ship>();
        await _stage.DeliverAsync(second);
        await _stage.DeliverAsync(first);
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("completed", "999 0 1 1 1")));
    }

    [Test]
    public async Task An_action_that_became_a_dead_letter_is_undone_and_does_nothing_when_it_is_redriven()
    {
        _stage.Script.Answers["TakePayment"] = "fail";
        await _stage.PlaceAsync("1");
        var payment = await _stage.UntilAsync<TakePayment>();
        await _stage.DeliverAsync(payment);
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
        Assert.That(await _stage.Database.CountAsync("dead_letters"), Is.EqualTo(1));

        _stage.Script.Answers.Remove("TakePayment");
        await _stage.DeliverAsync(payment);
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
    }

    [Test]
    public async Task Whatever_is_late_doubled_lost_for_a_while_or_out_of_order_every_saga_ends_whole_or_not_at_all([Range(1, 3)] int seed)
    {
        var random = new Random(seed);
        var (waiting, orders) = (new List<SagaStage.Message>(), Enumerable.Range(1, 8).Select(i => $"order-{i}").ToList());
        foreach (var order in orders)
            await _stage.PlaceAsync(order);
        for (var i = 0; i < 150; i++)
        {
            waiting.AddRange(await _stage.TakeAsync());
            foreach (var command in (string[])["ReserveStock", "TakePayment", "Ship"])
                _stage.Script.Answers[command] = random.Next(6) == 0 ? "refuse" : random.Next(12) == 0 ? "fail" : "";
            foreach (var command in (string[])["ReleaseStock", "RefundPayment", "SendInvoice"])
                _stage.Script.Answers[command] = random.Next(4) == 0 ? "refuse" : "";
            if (_stage.Timers.Count > 0 && random.Next(6) == 0)
                await _stage.DeliverAsync(_stage.Timers[random.Next(_stage.Timers.Count)], Guid.CreateVersion7());
            if (waiting.Count == 0)
                continue;
            var at = random.Next(waiting.Count);
            await _stage.DeliverAsync(waiting[at], random.Next(4) == 0 ? Guid.CreateVersion7() : null);
            if (random.Next(3) > 0)
                waiting.RemoveAt(at);
        }
        _stage.Script.Answers.Clear();
        for (var i = 0; i < 20; i++)
        {
            foreach (var message in waiting)
                await _stage.DeliverAsync(message);
            waiting.Clear();
            await _stage.RunAsync();
            foreach (var order in orders.Where(_ => i < 10))
                await _stage.TellAsync(SagaMessage.Retry, order, "go on");
        }

        var ends = await _stage.Database.QueryAsync("SELECT status, count(*) FROM sagas GROUP BY status");
        Assert.That(ends.Select(e => e[0]), Is.SubsetOf(new[] { "completed", "compensated" }));
        var done = int.Parse(ends.SingleOrDefault(e => e[0] == "completed")?[1] ?? "0", System.Globalization.CultureInfo.InvariantCulture);
        Assert.That(await _stage.ShelfAsync(), Is.EqualTo(FormattableString.Invariant($"{1000 - done} 0 {done} {done} {done}")));
        Assert.That(_stage.Written.Count(m => m.Is<OrderConfirmed>()), Is.EqualTo(done));
        Assert.That(_stage.Written.Count(m => m.Is<OrderRejected>()), Is.EqualTo(orders.Count - done));
    }

    [Test]
    public async Task Old_sagas_that_have_ended_are_forgotten_with_their_histories_and_nothing_else()
    {
        await _stage.PlaceAsync("old");
        await _stage.PlaceAsync("young");
        await _stage.RunAsync();
        (_stage.Script.Answers["TakePayment"], _stage.Script.Answers["ReleaseStock"]) = ("refuse", "fail");
        await _stage.PlaceAsync("parked");
        await _stage.RunAsync();
        await _stage.Database.ExecuteAsync($"UPDATE sagas SET updated_at = {_stage.Database.Time(TimeSpan.FromDays(-31))} WHERE id <> 'young'");
        await _stage.Database.ExecuteAsync($"UPDATE saga_steps SET happened_at = {_stage.Database.Time(TimeSpan.FromDays(-31))}");
        await _stage.Database.ExecuteAsync($"UPDATE inbox_messages SET received_at = {_stage.Database.Time(TimeSpan.FromDays(-31))}");

        await _stage.Services.GetRequiredKeyedService<SagaEngine>("checkout").ForgetOldAsync(_stage.Services, CancellationToken.None);
        await _stage.Services.GetRequiredKeyedService<Outbox.Consumers.MessageProcessor>("bank").ForgetOldAsync(TimeProvider.System, CancellationToken.None);

        Assert.That((await _stage.Database.QueryAsync("SELECT id FROM sagas ORDER BY id")).Select(r => r[0]), Is.EqualTo(new[] { "parked", "young" }));
        Assert.That((await _stage.Database.QueryAsync("SELECT DISTINCT id FROM saga_steps ORDER BY id")).Select(r => r[0]), Is.EqualTo(new[] { "parked", "young" }));
        Assert.That((await _stage.Database.QueryAsync("SELECT DISTINCT operation FROM inbox_messages WHERE consumer = 'bank' ORDER BY operation")).Select(r => r[0]), Is.EqualTo(new[] { "action", "refused" }), "calls outlive their messages");
    }
}

using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>A saga's way, forward and back, on a real database. An engine's class derives from this one and adds nothing.</summary>
[Parallelizable(ParallelScope.Self)]
internal abstract partial class SagaSuite(SqlDialect dialect)
{
    private SagaStage _stage = null!;

    [SetUp]
    public async Task Prepare() => _stage = await SagaStage.CreateAsync(dialect, options => (options.MaxAttempts, options.RetryDelay) = (2, TimeSpan.FromSeconds(1)));

    [TearDown]
    public ValueTask Close() => _stage?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Test]
    public async Task Steps_are_taken_in_their_order_and_the_history_tells_of_each()
    {
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("completed"));
        Assert.That(await _stage.ShelfAsync(), Is.EqualTo("999 0 1 1 1"));
        Assert.That(await _stage.HistoryAsync("1"), Is.EqualTo(new[]
        {
            "started", "stock action sent", "stock action done", "payment action sent", "payment action done", "shipping action sent", "shipping action done", "invoice action sent", "invoice action done", "completed",
        }));
        Assert.That(_stage.Written.Count(m => m.Is<OrderConfirmed>()), Is.EqualTo(1));
        Assert.That(await _stage.Database.ScalarAsync<string>("SELECT state FROM sagas"), Does.Contain("A7"), "what the reply said is remembered");
    }

    [Test]
    public async Task A_refusal_undoes_the_steps_before_it_and_not_the_refused_one()
    {
        _stage.Script.Answers["TakePayment"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("compensated"));
        Assert.That(await _stage.ShelfAsync(), Is.EqualTo("1000 0 0 0 0"));
        Assert.That(await _stage.HistoryAsync("1"), Is.EqualTo(new[] { "started", "stock action sent", "stock action done", "payment action sent", "payment action refused", "stock compensation sent", "stock compensation done", "compensated" }));
        Assert.That(_stage.Written.Single(m => m.Is<OrderRejected>()).Text, Does.Contain("TakePayment is not possible"));
        Assert.That(_stage.Written.Single(m => m.Is<ReleaseStock>()).Text, Does.Contain("A7"), "the compensation knows what the reply said");
        Assert.That(_stage.Written.Any(m => m.Is<RefundPayment>() || m.Is<OrderConfirmed>()), Is.False);
    }

    [Test]
    public async Task A_refusal_of_the_first_step_leaves_nothing_to_undo()
    {
        _stage.Script.Answers["ReserveStock"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
        Assert.That(_stage.Written.Single(m => m.Is<OrderRejected>()).Text, Does.Contain("sold out"));
    }

    [Test]
    public async Task The_pivot_may_be_refused_and_then_everything_before_it_is_undone_the_last_first()
    {
        _stage.Script.Answers["Ship"] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
        Assert.That((await _stage.HistoryAsync("1")).Where(e => e.EndsWith("compensation sent", StringComparison.Ordinal)), Is.EqualTo(new[] { "payment compensation sent", "stock compensation sent" }));
    }

    [TestCase("nothing", "completed", "999 0 1 1 1")]
    [TestCase("Ship", "compensated", "1000 0 0 0 0")]
    public async Task Whatever_arrives_twice_by_the_same_id_or_another_takes_effect_once(string refused, string status, string shelf)
    {
        _stage.Script.Answers[refused] = "refuse";
        await _stage.PlaceAsync("1");
        await _stage.PlaceAsync("1");
        var late = new List<SagaStage.Message>();
        while (await _stage.TakeAsync() is { Count: > 0 } messages)
        {
            foreach (var message in messages)
            {
                await _stage.DeliverAsync(message);
                await _stage.DeliverAsync(message);
                // Each copy is answered again, which must come to an end.
                if (late.Count < 60)
                    await _stage.DeliverAsync(message, Guid.CreateVersion7());
                late.Add(message);
            }
        }
        foreach (var message in late)
        {
            await _stage.DeliverAsync(message);
            await _stage.DeliverAsync(message, Guid.CreateVersion7());
        }
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo((status, shelf)));
        Assert.That(await _stage.Database.CountAsync("sagas"), Is.EqualTo(1));
        Assert.That(_stage.Written.Count(m => m.Is<OrderConfirmed>() || m.Is<OrderRejected>()), Is.EqualTo(1));
    }

    [Test]
    public async Task A_compensation_before_its_action_does_nothing_and_the_late_action_neither()
    {
        await _stage.PlaceAsync("1");
        var payment = await _stage.UntilAsync<TakePayment>();
        await _stage.FireAsync();
        await _stage.RunAsync();
        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")), "without the action");
        Assert.That(await _stage.HistoryAsync("1"), Does.Contain("payment action timed-out").And.Contain("payment compensation done"));

        await _stage.DeliverAsync(payment);
        await _stage.DeliverAsync(payment, Guid.CreateVersion7());
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")), "the action is late");
    }

    [Test]
    public async Task A_step_that_timed_out_although_it_was_done_is_undone()
    {
        await _stage.PlaceAsync("1");
        var payment = await _stage.UntilAsync<TakePayment>();
        await _stage.DeliverAsync(payment);
        var answer = (await _stage.TakeAsync()).Single();
        await _stage.FireAsync();
        await _stage.DeliverAsync(answer);
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
    }

    [Test]
    public async Task A_step_that_timed_out_and_was_refused_is_not_undone()
    {
        _stage.Script.Answers["TakePayment"] = "refuse";
        await _stage.PlaceAsync("1");
        var payment = await _stage.UntilAsync<TakePayment>();
        await _stage.DeliverAsync(payment);
        var refusal = (await _stage.TakeAsync()).Single();
        await _stage.FireAsync();
        await _stage.DeliverAsync(refusal);
        await _stage.RunAsync();

        Assert.That((await _stage.StatusAsync("1"), await _stage.ShelfAsync()), Is.EqualTo(("compensated", "1000 0 0 0 0")));
    }

    [Test]
    public async Task A_time_out_whose_step_has_gone_on_changes_nothing()
    {
        await _stage.PlaceAsync("1");
        await _stage.DeliverAsync(await _stage.UntilAsync<TakePayment>());
        var (ship, timer) = (await _stage.UntilAsync<Ship>(), _stage.Timers[0]);
        var before = await _stage.HistoryAsync("1");

        await _stage.DeliverAsync(timer);

        Assert.That(await _stage.HistoryAsync("1"), Is.EqualTo(before));
        await _stage.DeliverAsync(ship);
        await _stage.RunAsync();
        Assert.That(await _stage.StatusAsync("1"), Is.EqualTo("completed"));
    }

    [Test]
    public async Task An_answer_and_a_time_out_at_the_same_moment_are_one_after_the_other()
    {
        for (var i = 0; i < 10; i++)
        {
            var order = $"order-{i}";
            await _stage.PlaceAsync(order);
            await _stage.DeliverAsync(await _stage.UntilAsync<TakePayment>());
            var (answer, timer) = ((await _stage.TakeAsync()).Single(), _stage.Timers[^1]);

            await Task.WhenAll(Task.Run(() => _stage.DeliverAsync(answer)), Task.Run(() => _stage.DeliverAsync(timer)), Task.Run(() => _stage.DeliverAsync(answer, Guid.CreateVersion7())));
            await _stage.RunAsync();

            var history = await _stage.HistoryAsync(order);
            Assert.That(history.Contains("payment action done") ^ history.Contains("payment action timed-out"), string.Join(", ", history));
            Assert.That(await _stage.StatusAsync(order), Is.EqualTo(history.Contains("payment action done") ? "completed" : "compensated"));
            var numbers = await _stage.Database.QueryAsync("SELECT number FROM saga_steps WHERE id = @id ORDER BY number", ("id", order));
            Assert.That(numbers.Select(n => n[0]), Is.EqualTo(Enumerable.Range(1, history.Count).Select(n => n.ToString(System.Globalization.CultureInfo.InvariantCulture))));
        }
        var sold = await _stage.Database.ScalarAsync<int>("SELECT count(*) FROM sagas WHERE status = 'completed'");
        Assert.That(await _stage.ShelfAsync(), Is.EqualTo(FormattableString.Invariant($"{1000 - sold} 0 {sold} {sold} {sold}")));
    }
}

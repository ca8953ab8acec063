using System.Diagnostics;
using Broker.Tests.Conformance;
using Broker.Tests.Support;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using Outbox.Sagas;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>What sagas tell of themselves: counts with bounded tags, and one trace from the message that starts one to its end.</summary>
[NonParallelizable]
internal sealed class SagaTelemetryTests
{
    [Test]
    public async Task A_trace_goes_on_through_all_steps_and_back()
    {
        using var listener = new ActivityListener { ShouldListenTo = source => source.Name == "Outbox", Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded };
        ActivitySource.AddActivityListener(listener);
        await using var stage = await SagaStage.CreateAsync(SqlDialect.Sqlite);
        stage.Script.Answers["Ship"] = "refuse";
        var trace = ActivityTraceId.CreateRandom().ToHexString();

        await stage.PlaceAsync("1", $$"""{"traceparent":"00-{{trace}}-{{ActivitySpanId.CreateRandom().ToHexString()}}-01"}""");
        await stage.RunAsync();

        Assert.That(await stage.StatusAsync("1"), Is.EqualTo("compensated"));
        Assert.That(stage.Written, Has.Count.GreaterThan(10));
        Assert.That(stage.Written.Select(m => (string?)JObject.Parse(m.Headers!)["traceparent"]), Is.All.Contains(trace), "commands, answers, time-outs and the end");
    }

    [Test]
    public async Task What_happens_is_counted_by_names_and_never_by_ids()
    {
        using var recorder = new MetricRecorder("checkout");
        await using var stage = await SagaStage.CreateAsync(SqlDialect.Sqlite);
        stage.Script.Answers["TakePayment"] = "refuse";
        await stage.PlaceAsync("the-id");
        await stage.RunAsync();
        await stage.PlaceAsync("the-id");

        Assert.That(recorder.Sum("outbox.saga.started", ("saga", "checkout")), Is.GreaterThanOrEqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.ended", ("saga", "checkout"), ("status", "compensated")), Is.GreaterThanOrEqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.steps", ("step", "payment"), ("operation", "action"), ("event", "refused")), Is.GreaterThanOrEqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.stale", ("saga", "checkout")), Is.GreaterThanOrEqualTo(1));
    }

    [Test]
    public async Task A_try_that_is_rolled_back_and_repeated_is_counted_and_logged_once()
    {
        var (steps, lost) = (new TestSteps(), 0);
        using var recorder = new MetricRecorder("checkout");
        await using var stage = await SagaStage.CreateAsync(SqlDialect.Sqlite, options => options.MaxAttempts = 1, steps);
        // Every turn is lost once, as by a lock or by another message that was faster, when all of it is written.
        var losing = false;
        steps.On("saved", () => (losing = !losing) ? throw Lost() : Task.CompletedTask);
        stage.Script.Answers["Ship"] = "refuse";
        stage.Script.Answers["RefundPayment"] = "refuse";

        await stage.PlaceAsync("1");
        await stage.RunAsync();
        await stage.PlaceAsync("1");

        Assert.That(await stage.StatusAsync("1"), Is.EqualTo("parked"));
        Assert.That(lost, Is.GreaterThan(5));
        Assert.That(recorder.Sum("outbox.saga.started"), Is.EqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.steps", ("event", "refused"), ("step", "shipping")), Is.EqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.steps", ("event", "parked")), Is.EqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.stale"), Is.EqualTo(1), "the order that came twice");
        Assert.That(stage.Log.Entries.Count(e => e.Level == LogLevel.Error && e.Message.Contains("parked", StringComparison.Ordinal)), Is.EqualTo(1));

        SagaConflictException Lost()
        {
            lost++;
            return new SagaConflictException("checkout", "1");
        }
    }

    [Test]
    public async Task What_a_batch_undoes_for_one_of_its_messages_is_counted_once()
    {
        using var recorder = new MetricRecorder("checkout");
        await using var stage = await SagaStage.CreateAsync(SqlDialect.Sqlite, options => options.Consumer.BatchSize = 10);

        // An order without an id is refused, and those before it are handled again: once as a batch, once to a savepoint.
        await stage.PlaceTogetherAsync("1", "2", "", "3");

        Assert.That(await stage.Database.CountAsync("sagas"), Is.EqualTo(3));
        Assert.That(await stage.Database.CountAsync("dead_letters"), Is.EqualTo(1));
        Assert.That(recorder.Sum("outbox.saga.started"), Is.EqualTo(3));
    }

    [Test]
    public async Task What_is_rolled_back_for_good_is_not_counted()
    {
        var steps = new TestSteps();
        using var recorder = new MetricRecorder("checkout");
        await using var stage = await SagaStage.CreateAsync(SqlDialect.Sqlite, steps: steps);
        steps.On("saved", () => throw new InvalidOperationException("The disk is full."));

        await stage.PlaceAsync("1");

        Assert.That(recorder.Sum("outbox.saga.started"), Is.Zero);
        Assert.That(recorder.Sum("outbox.saga.steps"), Is.Zero);
    }
}

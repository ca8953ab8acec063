using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sagas;

namespace Broker.Tests.Unit;

/// <summary>Single decisions of a saga. Whether they end well together, whatever comes when, the model in <c>Invariants</c> tells.</summary>
internal sealed class SagaMachineTests
{
    [MessageType("tests.machine-begin.v1")]
    internal sealed record Begin(string Id);

    [MessageType("tests.machine-do.v1")]
    internal sealed record Do;

    internal sealed record State(string Id);

    internal sealed class Plan : Saga<State>
    {
        public Plan()
        {
            StartedBy<Begin>(m => m.Id, m => new State(m.Id));
            Step("pivot").Pivot().Send(_ => new Do());
            Step("after").Send(_ => new Do());
        }
    }

    private readonly SagaMachine _machine = new(new Plan().Define("plan", new MessageTypeRegistry()), new SagaOptions(new ConsumerOptions { Name = "plan", Queue = "plan" }) { MaxAttempts = 5 });

    [TestCase(SagaOutcome.Refused)]
    [TestCase(SagaOutcome.Failed)]
    public void What_an_earlier_asking_met_changes_nothing_for_the_one_that_is_on_its_way(object outcome)
    {
        var second = AskedTwice();

        Assert.That(_machine.Answer(second, Answer((SagaOutcome)outcome, round: 1)), Is.Null);
    }

    [Test]
    public void What_an_earlier_asking_brought_about_counts()
    {
        var second = AskedTwice();

        Assert.That(_machine.Answer(second, Answer(SagaOutcome.Done, round: 1))!.Saga.Status, Is.EqualTo(SagaStatus.Completed));
    }

    [Test]
    public void A_failure_of_the_asking_that_is_on_its_way_parks_the_saga()
    {
        var second = AskedTwice();

        Assert.That(_machine.Answer(second, Answer(SagaOutcome.Failed, round: 2))!.Saga.Status, Is.EqualTo(SagaStatus.Parked));
    }

    /// <summary>A saga whose last step was refused once, which it may not be, and so is asked for again.</summary>
    private SagaInstance AskedTwice()
    {
        var first = _machine.Answer(_machine.Start("1", new State("1")).Saga, new SagaAnswer("pivot", SagaOperation.Action, SagaOutcome.Done, Round: 1))!.Saga;
        var second = _machine.Answer(first, Answer(SagaOutcome.Refused, round: 1))!.Saga;
        Assert.That(second.Round, Is.EqualTo(2));
        return second;
    }

    private static SagaAnswer Answer(SagaOutcome outcome, int round) => new("after", SagaOperation.Action, outcome, round);
}

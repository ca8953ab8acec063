using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Messages;
using Outbox.Sagas;

namespace Broker.Tests.Unit;

/// <summary>What a saga's class lacks is said when the service starts, with what to write.</summary>
internal sealed class SagaDefinitionTests
{
    [MessageType("tests.begin.v1")]
    internal sealed record Begin(string Id);

    [MessageType("tests.act.v1")]
    internal sealed record Act(string Id);

    [MessageType("tests.undo.v1")]
    internal sealed record Undo(string Id);

    [MessageType("tests.acted.v1")]
    internal sealed record Acted(string Id);

    [MessageType("tests.refused.v1")]
    internal sealed record Refused(string Id);

    internal sealed record Nameless(string Id);

    internal sealed record State(string Id);

    /// <summary>A saga whose steps a test names.</summary>
    internal abstract class Wrong : Saga<State>
    {
        protected Wrong(bool starts = true)
        {
            if (starts)
                StartedBy<Begin>(m => m.Id, m => new State(m.Id));
        }

        protected SagaStep<State> Whole(string name) => Step(name).Send(s => new Act(s.Id)).Compensate(s => new Undo(s.Id));
    }

    internal sealed class Sound : Wrong
    {
        public Sound() => Whole("one");
    }

    internal sealed class WithoutSteps : Wrong;

    internal sealed class WithoutStart : Wrong
    {
        public WithoutStart() : base(starts: false) => Whole("one");
    }

    internal sealed class SameName : Wrong
    {
        public SameName()
        {
            Whole("one");
            Whole("one");
        }
    }

    internal sealed class BadName : Wrong
    {
        public BadName() => Whole("Take Payment");
    }

    internal sealed class WithoutSend : Wrong
    {
        public WithoutSend() => Step("one").Compensate(s => new Undo(s.Id));
    }

    internal sealed class WithoutCompensation : Wrong
    {
        public WithoutCompensation() => Step("one").Send(s => new Act(s.Id));
    }

    internal sealed class CompensatedAfterThePivot : Wrong
    {
        public CompensatedAfterThePivot()
        {
            Step("one").Pivot().Send(s => new Act(s.Id));
            Whole("two");
        }
    }

    internal sealed class TwoPivots : Wrong
    {
        public TwoPivots()
        {
            Whole("one").Pivot();
            Whole("two").Pivot();
        }
    }

    internal sealed class NoCorrelation : Wrong
    {
        public NoCorrelation() => Whole("one").OnReply<Acted>();
    }

    internal sealed class AmbiguousReply : Wrong
    {
        public AmbiguousReply()
        {
            Correlate<Acted>(m => m.Id);
            Whole("one").OnReply<Acted>();
            Whole("two").OnReply<Acted>();
        }
    }

    internal sealed class RefusalWithoutReply : Wrong
    {
        public RefusalWithoutReply() => Whole("one").OnRefusal<Refused>(m => m.Id);
    }

    internal sealed class NamelessCommand : Wrong
    {
        public NamelessCommand() => Step("one").Send(s => new Nameless(s.Id)).NothingToCompensate();
    }

    internal sealed class LongWait : Wrong
    {
        public LongWait() => Whole("one").Within(TimeSpan.FromDays(21));
    }

    internal sealed class WithoutConfirm : Tcc<State>
    {
        public WithoutConfirm()
        {
            StartedBy<Begin>(m => m.Id, m => new State(m.Id));
            Participant("hotel").Reserve(s => new Act(s.Id)).Cancel(s => new Undo(s.Id));
        }
    }

    internal sealed class Booking : Tcc<State>
    {
        public Booking()
        {
            StartedBy<Begin>(m => m.Id, m => new State(m.Id));
            Participant("hotel").Reserve(s => new Act(s.Id)).Confirm(s => new Act(s.Id)).Cancel(s => new Undo(s.Id));
            Participant("flight").Reserve(s => new Act(s.Id)).Confirm(s => new Act(s.Id)).Cancel(s => new Undo(s.Id)).Within(TimeSpan.FromMinutes(1));
        }
    }

    [Test]
    public void A_sound_saga_registers_its_messages_and_those_it_sends()
    {
        var types = new MessageTypeRegistry();
        new Sound().Define("sound", types);

        Assert.That(types.TryResolve("tests.begin.v1", out _) && types.TryResolve("tests.act.v1", out _) && types.TryResolve("tests.undo.v1", out _));
    }

    [Test]
    public void Try_confirm_cancel_reserves_all_before_it_confirms_and_has_its_pivot_between()
    {
        var booking = new Booking().Define("booking", new MessageTypeRegistry());

        Assert.That(booking.Steps.Select(s => s.Name), Is.EqualTo(new[] { "hotel.reserve", "flight.reserve", "hotel.confirm", "flight.confirm" }));
        Assert.That((booking.Pivot, booking.CanGoBackFrom(1), booking.CanGoBackFrom(2), booking.Steps[1].Within), Is.EqualTo((1, true, false, (TimeSpan?)TimeSpan.FromMinutes(1))));
    }

    [TestCase(typeof(WithoutSteps), "it has no steps. Add Step(")]
    [TestCase(typeof(WithoutStart), "nothing starts it. Add StartedBy<TMessage>(")]
    [TestCase(typeof(SameName), "two steps are named 'one'")]
    [TestCase(typeof(BadName), "'Take Payment' is no name of a step")]
    [TestCase(typeof(WithoutSend), "step 'one': it sends nothing. Add .Send(")]
    [TestCase(typeof(WithoutCompensation), "step 'one': the saga may turn back after it, and it cannot be undone. Add .Compensate(")]
    [TestCase(typeof(CompensatedAfterThePivot), "step 'two': it comes after the pivot 'one'")]
    [TestCase(typeof(TwoPivots), "the steps 'one' and 'two' are pivots")]
    [TestCase(typeof(NoCorrelation), "step 'one': Acted is not correlated: nothing says to which saga it belongs. Write .OnReply<Acted>(")]
    [TestCase(typeof(AmbiguousReply), "Acted means two things to it (reply of step 'one', reply of step 'two')")]
    [TestCase(typeof(RefusalWithoutReply), "step 'one': it has .OnRefusal and no .OnReply")]
    [TestCase(typeof(NamelessCommand), "has no [MessageType(\"…\")]")]
    [TestCase(typeof(LongWait), "Within is 21.00:00:00")]
    [TestCase(typeof(WithoutConfirm), "Participant 'hotel' has no .Confirm(")]
    public void What_is_wrong_is_named_with_what_to_write(Type saga, string error) =>
        Assert.That(() => ((AnySaga)Activator.CreateInstance(saga)!).Define("wrong", new MessageTypeRegistry()), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains(error));

    [TestCase("Check Out", "Saga 'Check Out': a name is lower-case words")]
    [TestCase("orders", null)]
    public void It_is_said_when_the_service_registers_it(string name, string? error)
    {
        void Register() => new ServiceCollection().AddOutbox("orders", _ => null!, outbox => outbox.UseInMemory().AddSaga<Sound>(name));

        if (error is null)
            Assert.That(Register, Throws.Nothing);
        else
            Assert.That(Register, Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains(error));
    }

    [Test]
    public void Its_settings_are_checked_too() =>
        Assert.That(
            () => new ServiceCollection().AddOutbox("orders", _ => null!, outbox => outbox.UseInMemory().AddSaga<Sound>("sound", o => o.MaxAttempts = 0)),
            Throws.TypeOf<OutboxConfigurationException>().With.Message.EqualTo("Saga 'sound': MaxAttempts is 0; at least 1 is needed."));

    [Test]
    public void What_only_the_library_writes_is_refused_from_callers()
    {
        var factory = new OutboxMessageFactory(new OutboxOptions { Source = "orders" });

        Assert.That(
            () => factory.Create(new Act("1"), new MessageOptions { Headers = new Dictionary<string, string> { ["outbox-saga-step"] = "one" } }),
            Throws.ArgumentException.With.Message.Contains("context.ReplyAsync"));
    }
}

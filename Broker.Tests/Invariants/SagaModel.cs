using FsCheck;
using FsCheck.Fluent;
using Outbox.Consumers;
using Outbox.Messages;
using Outbox.Sagas;

namespace Broker.Tests.Invariants;

/// <summary>The real decisions of a saga over a model of its participants and of a network that copies, reorders and delays: whatever happens, all of it is done in the end, or none of it.</summary>
internal sealed class SagaModel
{
    private const int Steps = 4;

    [MessageType("tests.model-begin.v1")]
    internal sealed record Begin(string Id);

    [MessageType("tests.model-do.v1")]
    internal sealed record Do(int Place);

    [MessageType("tests.model-undo.v1")]
    internal sealed record Undo(int Place);

    internal sealed record State(string Id);

    internal sealed class Plan : Saga<State>
    {
        public Plan()
        {
            StartedBy<Begin>(m => m.Id, m => new State(m.Id));
            Step("s0").Send(_ => new Do(0)).Compensate(_ => new Undo(0));
            Step("s1").Send(_ => new Do(1)).Within(TimeSpan.FromMinutes(1)).Compensate(_ => new Undo(1));
            Step("s2").Pivot().Send(_ => new Do(2));
            Step("s3").Send(_ => new Do(3));
        }
    }

    [Test]
    public void Whatever_is_copied_late_refused_or_dead_all_of_it_is_done_in_the_end_or_none() =>
        Prop.ForAll(Gen.Choose(0, 9_999).ArrayOf().ToArbitrary(), acts => Run(acts)).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000).WithStartSize(5).WithEndSize(120));

    private static bool Run(int[] acts)
    {
        var world = new World();
        foreach (var act in acts)
            world.Act(act);
        world.Settle();
        var done = Enumerable.Range(0, Steps).Select(place => world.Effects[place]).ToList();
        var all = world.Saga.Status == SagaStatus.Completed;
        return all ? done.TrueForAll(d => d == 1) : world.Saga.Status == SagaStatus.Compensated && done.TrueForAll(d => d == 0);
    }

    /// <summary>One saga, its participants with their barriers, and what is on its way.</summary>
    private sealed class World
    {
        private readonly SagaMachine _machine;
        private readonly List<(SagaCall Call, object Message)> _commands = [];
        private readonly List<SagaAnswer> _answers = [];
        private readonly List<long> _timers = [];
        private readonly HashSet<(Guid, string)> _inbox = [];

        public World()
        {
            var consumer = new ConsumerOptions { Name = "model", Queue = "model" };
            _machine = new SagaMachine(new Plan().Define("model", new MessageTypeRegistry()), new SagaOptions(consumer) { MaxAttempts = 2 });
            var turn = _machine.Start("1", new State("1"));
            Saga = turn.Saga;
            Take(turn);
        }

        public SagaInstance Saga { get; private set; }

        public int[] Effects { get; } = new int[Steps];

        public void Act(int value)
        {
            var (what, which) = (value % 10, value / 10);
            switch (what)
            {
                case < 5 when _commands.Count > 0:
                    Handle(_commands[which % _commands.Count], which / 7 % 8);
                    break;
                case < 8 when _answers.Count > 0:
                    Take(_machine.Answer(Saga, _answers[which % _answers.Count]));
                    break;
                case 8 when _timers.Count > 0:
                    Take(_machine.TimeOut(Saga, _timers[which % _timers.Count]));
                    break;
                case 9:
                    Take(_machine.Retry(Saga, "ada", null));
                    break;
            }
        }

        /// <summary>The network delivers everything that was ever sent, participants are well again, and a person retries what is parked.</summary>
        public void Settle()
        {
            for (var i = 0; i < 40 && !Saga.HasEnded; i++)
            {
                foreach (var command in _commands.ToList())
                    Handle(command, mood: 7);
                foreach (var answer in _answers.ToList())
                    Take(_machine.Answer(Saga, answer));
                if (!Saga.HasEnded)
                    Take(_machine.Retry(Saga, "ada", null));
            }
            // What is late comes late.
            foreach (var command in _commands.ToList())
                Handle(command, mood: 7);
            foreach (var answer in _answers.ToList())
                Take(_machine.Answer(Saga, answer));
        }

        /// <summary>A participant, as SagaParticipant does it: the barrier, the handler, the answer.</summary>
        private void Handle((SagaCall Call, object Message) command, int mood)
        {
            var (call, key) = (command.Call, SagaParticipant.KeyOf(command.Call));
            var place = int.Parse(call.Step[1..], System.Globalization.CultureInfo.InvariantCulture);
            // A dead letter leaves nothing, and may come again.
            if (mood == 1)
            {
                _answers.Add(new SagaAnswer(call.Step, call.Operation, SagaOutcome.Failed, call.Round));
                return;
            }
            bool runs;
            if (call.Operation == SagaOperation.Action)
                runs = _inbox.Add((key, "action"));
            else
            {
                var action = SagaParticipant.KeyOf(call with { Operation = SagaOperation.Action, Round = 1 });
                var isWithoutAction = _inbox.Add((action, "action"));
                runs = _inbox.Add((key, "compensation")) && !isWithoutAction && !_inbox.Contains((action, "refused"));
            }
            if (runs && mood is (0 or 2))
            {
                _inbox.Add((key, "refused"));
                _answers.Add(new SagaAnswer(call.Step, call.Operation, SagaOutcome.Refused, call.Round));
                return;
            }
            if (runs)
                Effects[place] += call.Operation == SagaOperation.Action ? 1 : -1;
            if (!_inbox.Contains((key, "refused")))
                _answers.Add(new SagaAnswer(call.Step, call.Operation, SagaOutcome.Done, call.Round));
        }

        private void Take(SagaTurn? turn)
        {
            if (turn is null)
                return;
            Saga = turn.Saga;
            _commands.AddRange(turn.Commands.Select(c => (c.Call, c.Message)));
            if (turn.Deadline is not null)
                _timers.Add(turn.Saga.Version);
        }
    }
}

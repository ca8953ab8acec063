using Outbox.Messages;

namespace Outbox.Sagas;

/// <summary>One step of a saga: what it sends, what answers it, and how it is undone.</summary>
/// <typeparam name="TState">The saga's state.</typeparam>
public sealed class SagaStep<TState>
    where TState : class
{
    internal SagaStep(string name) => Plan = new SagaStepPlan(name);

    internal SagaStepPlan Plan { get; private set; }

    /// <summary>The command that the step sends. It is done when the command has taken effect, unless <see cref="OnReply"/> says otherwise; it is refused when its handler calls <c>context.RefuseAsync</c>.</summary>
    /// <remarks>One consumer must handle both the command and the step's compensation: its inbox tells them apart.</remarks>
    public SagaStep<TState> Send<TCommand>(Func<TState, TCommand> command)
        where TCommand : notnull
    {
        ArgumentNullException.ThrowIfNull(command);
        if (Plan.Send is not null)
            throw Twice("Send");
        return With(Plan with { Send = state => command((TState)state), Command = typeof(TCommand) });
    }

    /// <summary>The step is done when this reply arrives.</summary>
    /// <param name="correlation">The saga's id in the reply. Default: what <c>Correlate&lt;TReply&gt;</c> says.</param>
    /// <param name="apply">The state after it. Default: as before.</param>
    public SagaStep<TState> OnReply<TReply>(Func<TReply, PartitionKey>? correlation = null, Func<TState, TReply, TState>? apply = null)
        where TReply : notnull => With(Answer(new SagaMessageRole(typeof(TReply), SagaRole.Reply)
        {
            Correlation = correlation is null ? null : message => correlation((TReply)message),
            Apply = apply is null ? null : (state, message) => apply((TState)state, (TReply)message),
        }));

    /// <summary>The step is refused when this message arrives: a business answer, after which the steps before it are undone.</summary>
    /// <param name="correlation">The saga's id in the message. Default: what <c>Correlate&lt;TRefusal&gt;</c> says.</param>
    /// <param name="reason">Why, for people. Default: the message's type.</param>
    public SagaStep<TState> OnRefusal<TRefusal>(Func<TRefusal, PartitionKey>? correlation = null, Func<TRefusal, string?>? reason = null)
        where TRefusal : notnull => With(Answer(new SagaMessageRole(typeof(TRefusal), SagaRole.Refusal)
        {
            Correlation = correlation is null ? null : message => correlation((TRefusal)message),
            Reason = reason is null ? null : message => reason((TRefusal)message),
        }));

    /// <summary>The command that undoes the step. Its handler runs only if the step has taken effect.</summary>
    public SagaStep<TState> Compensate<TCommand>(Func<TState, TCommand> command)
        where TCommand : notnull
    {
        ArgumentNullException.ThrowIfNull(command);
        if (Plan.Compensate is not null)
            throw Twice("Compensate");
        return With(Plan with { Compensate = state => command((TState)state), Compensation = typeof(TCommand) });
    }

    /// <summary>Says that the step leaves nothing that would have to be undone.</summary>
    public SagaStep<TState> NothingToCompensate() => With(Plan with { LeavesNothing = true });

    /// <summary>How long the step may take. After that the saga turns back; a step after the pivot, which cannot, is sent again.</summary>
    /// <param name="time">Up to 20 days. Default: for ever.</param>
    public SagaStep<TState> Within(TimeSpan time) => With(Plan with { Within = time });

    /// <summary>The last step that may be refused. Once it is done there is no way back: later steps are tried until they succeed, or a person decides.</summary>
    public SagaStep<TState> Pivot() => With(Plan with { IsPivot = true });

    private SagaStep<TState> With(SagaStepPlan plan)
    {
        Plan = plan;
        return this;
    }

    private SagaStepPlan Answer(SagaMessageRole answer) => Plan with { Answers = [.. Plan.Answers, answer] };

    private OutboxConfigurationException Twice(string call) => new($"Step '{Plan.Name}' has two .{call}(…). A step sends one command; make the second one a step of its own.");
}

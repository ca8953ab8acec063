using FsCheck;
using FsCheck.Fluent;
using Outbox.Receipts;

namespace Broker.Tests.Unit;

/// <summary>When a wish is fulfilled, when it cannot be any more, and who is missing.</summary>
internal sealed class AppliedByTests
{
    private static readonly Guid Id = Guid.CreateVersion7();
    private static readonly string[] Known = ["a", "b", "c", "d", "e"];

    private enum Answer
    {
        None,
        Applied,
        Refused,
    }

    [Test]
    public void A_wish_is_fulfilled_once_enough_have_applied_and_hopeless_once_too_many_have_refused() =>
        Prop.ForAll(Gen.ArrayOf(Gen.Elements(Answer.None, Answer.Applied, Answer.Refused)).ToArbitrary(), answers =>
        {
            answers = [.. answers.Take(Known.Length)];
            var names = Known[..answers.Length];
            var (yes, no, n) = (answers.Count(a => a == Answer.Applied), answers.Count(a => a == Answer.Refused), answers.Length);
            var rows = Rows(answers);

            var expected = (int needed) => n == 0 ? ReceiptOutcome.NoConsumers : yes >= needed ? ReceiptOutcome.Fulfilled : n - no < needed ? ReceiptOutcome.Refused : ReceiptOutcome.TimedOut;
            var all = AppliedBy.All.Judge(Id, isRequested: true, names, rows);
            var majority = AppliedBy.Majority.Judge(Id, isRequested: true, names, rows);

            Assert.That((all.Outcome, majority.Outcome), Is.EqualTo((expected(n), expected((n / 2) + 1))));
            Assert.That(all.Missing, Is.EqualTo(names.Where((_, i) => answers[i] == Answer.None)));
            Assert.That((all.AppliedBy.Count, all.Refused.Count), Is.EqualTo((yes, no)));
            if (n > 0)
                Assert.That(AppliedBy.Consumers(names).Judge(Id, isRequested: false, [], rows).Outcome, Is.EqualTo(all.Outcome), "the same, by name");
        }).QuickCheckThrowOnFailure();

    [Test]
    public void Named_consumers_hang_on_nobody_else()
    {
        var rows = Rows([Answer.Applied, Answer.Refused]);

        Assert.That(AppliedBy.Consumers("a").Judge(Id, isRequested: true, Known, rows).IsFulfilled, Is.True);
        Assert.That(AppliedBy.Consumers("b").Judge(Id, isRequested: true, Known, rows).Outcome, Is.EqualTo(ReceiptOutcome.Refused));
        var missing = AppliedBy.Consumers("c", "a", "c").Judge(Id, isRequested: true, Known, rows);
        Assert.That((missing.Outcome, missing.Missing.Single(), missing.AppliedBy.Single().Consumer), Is.EqualTo((ReceiptOutcome.TimedOut, "c", "a")));
    }

    [Test]
    public void Who_has_answered_is_known_by_that() =>
        Assert.That(AppliedBy.All.Judge(Id, isRequested: true, ["b"], Rows([Answer.Applied])).Missing, Is.EqualTo(new[] { "b" }));

    [Test]
    public void A_message_that_nobody_asked_for_is_told_from_one_without_consumers()
    {
        Assert.That(AppliedBy.All.Judge(Id, isRequested: false, [], []).Outcome, Is.EqualTo(ReceiptOutcome.NotRequested));
        Assert.That(AppliedBy.All.Judge(Id, isRequested: true, [], []).Outcome, Is.EqualTo(ReceiptOutcome.NoConsumers));
    }

    [Test]
    public void A_wish_names_somebody()
    {
        Assert.That(() => AppliedBy.Consumers(), Throws.ArgumentException.With.Message.Contains("at least one consumer"));
        Assert.That(() => AppliedBy.Consumers("a", " "), Throws.ArgumentException);
        Assert.That($"{AppliedBy.All} {AppliedBy.Majority} {AppliedBy.Consumers("b", "a")}", Is.EqualTo("All Majority b, a"));
    }

    [TestCase("orders", true)]
    [TestCase("shop.orders-2", true)]
    [TestCase("", false)]
    [TestCase("Orders", false)]
    [TestCase("orders.#", false)]
    [TestCase("orders\n", false)]
    public void A_text_from_a_message_becomes_a_routing_key_only_if_it_can_name_a_source(string text, bool isSource) => Assert.That(ReceiptMessage.IsSource(text), Is.EqualTo(isSource));

    private static List<ReceiptRow> Rows(Answer[] answers) =>
        [.. answers.Select((answer, i) => new ReceiptRow { MessageId = Id, Consumer = Known[i], Outcome = answer == Answer.Applied ? ReceiptRow.Applied : ReceiptRow.Refused, OccurredAt = DateTime.UnixEpoch }).Where((_, i) => answers[i] != Answer.None)];
}

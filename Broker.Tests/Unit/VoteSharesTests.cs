using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Unit;

internal sealed class VoteSharesTests
{
    [Test]
    public void The_expected_share_is_the_product_of_the_participants_shares()
    {
        if (!TransactionId.TryParse("obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x", out var id))
            throw new InvalidOperationException("It has no id.");
        Decision Of(bool commit, string ledger, string wallet) => new(id, commit, null, "test", [new BranchRecord("ledger", ledger), new BranchRecord("wallet", wallet)]);

        var shares = VoteShares.Of([Of(true, "yes", "yes"), Of(true, "yes", "yes"), Of(false, "no", "yes"), Of(false, "yes", "unknown")]);

        Assert.That(shares.Participants.Select(s => (s.Participant, s.Asked, s.Yes, s.P)), Is.EqualTo(new[] { ("ledger", 4, 3, 0.75), ("wallet", 4, 3, 0.75) }));
        Assert.That((shares.Expected, shares.Actual), Is.EqualTo((0.5625, 0.5)));
    }

    [Test]
    public void Without_decisions_nothing_is_said() => Assert.That((VoteShares.Of([]).Actual, VoteShares.Of([]).Expected), Is.EqualTo(((double?)null, 1.0)));
}

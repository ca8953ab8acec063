using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Unit;

internal sealed class TransactionIdTests
{
    [Test]
    public void An_id_tells_what_it_was_made_of_and_fits_into_an_XID()
    {
        var deadline = new DateTime(2037, 12, 31, 23, 59, 58, 500, DateTimeKind.Utc);
        var made = TransactionId.New("sixteen-letters0", "k3x9q2", 1_295, deadline);
        Assert.That(made.ToString(), Has.Length.LessThanOrEqualTo(64));
        Assert.That(TransactionId.TryParse(made.ToString(), out var read), Is.True);
        Assert.That(read, Is.EqualTo(made));
        Assert.That((read.Coordinator, read.Origin, read.Incarnation, read.Deadline), Is.EqualTo(("sixteen-letters0", "k3x9q2", 1_295, new DateTime(2037, 12, 31, 23, 59, 59, DateTimeKind.Utc))), "never before the deadline that was asked for");
        Assert.That(TransactionId.TryParseBranch(made.BranchId("ledger-1"), out read, out var branch) && read == made && branch == "ledger-1");
    }

    [TestCase("")]
    [TestCase("obx")]
    [TestCase("my own transaction")]
    [TestCase("obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2")]
    [TestCase("obx.transfers'.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x")]
    [TestCase("obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x'")]
    [TestCase("obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x\n")]
    public void What_is_no_id_of_ours_is_none(string text) => Assert.That(TransactionId.TryParse(text, out _), Is.False);

    [TestCase("ledger", true)]
    [TestCase("ledger-1.eu", true)]
    [TestCase("Ledger", false)]
    [TestCase("ledger'", false)]
    [TestCase("ledger--x", false)]
    [TestCase("", false)]
    [TestCase("ledger\n", false)]
    public void A_name_needs_no_quoting(string name, bool isName) => Assert.That(TransactionId.IsName(name, TransactionId.LongestBranch), Is.EqualTo(isName));
}

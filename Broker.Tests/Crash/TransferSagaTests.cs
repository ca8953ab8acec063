using Broker.Tests.Support;

namespace Broker.Tests.Crash;

/// <summary>The sample's transfers by saga, in processes of their own that are killed with a signal that nobody can catch.</summary>
internal sealed class TransferSagaTests
{
    private const int Chains = 4;

    private const string Little = "10";

    /// <summary>For the wallet, not for the ledger, though several are on their way.</summary>
    private const string TooMuch = "210";

    private static readonly string[] Forward = ["transfer-wanted", "withdraw", "withdraw-answer", "deposit", "deposit-answer", "transfer-completed"];
    private static readonly string[] Back = ["give-back", "give-back-answer", "transfer-refused"];

    [Test]
    public async Task Transfers_end_and_what_the_ledger_or_the_wallet_refuses_leaves_nothing()
    {
        await using var sample = await TransferSample.CreateAsync();

        Assert.That(sample.Saga("--count", "2", "--amount", "5000").Output, Does.Contain("2 refused: step 'withdraw' was refused: the ledger has less than 5000"));
        // The wallet is full after 20 of them.
        var (code, output) = sample.Saga("--count", "30");

        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("20 completed").And.Contain("10 refused: step 'deposit' was refused: the wallet holds no more than 1200").And.Contain("after: ledger 800, wallet 1200, together 2000"));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas WHERE status = 'completed'"), Is.EqualTo(20));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas WHERE status = 'compensated'"), Is.EqualTo(12));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas"), Is.EqualTo(32));
    }

    [Test]
    public async Task What_is_between_the_databases_when_the_process_dies_is_told_and_arrives_with_the_next_one()
    {
        await using var sample = await TransferSample.CreateAsync();

        Assert.That(sample.Saga("--crash-at", "before-publish:deposit").Output, Does.Contain("killed at before-publish:deposit"));
        var (code, output) = sample.Check();
        Assert.That((code, output), Is.EqualTo((1, "1 on its way\nnow: ledger 990, wallet 1000, together 1990\nNOT ENDED: 1 transfers are on their way. End them by: saga --count 0\n")));

        Assert.That(sample.Saga("--count", "0").Code, Is.Zero);
        Assert.That(sample.Check(), Is.EqualTo((0, "1 completed\nnow: ledger 990, wallet 1010, together 2000\n")));
    }

    [Test]
    public async Task Killed_at_every_step_in_turn_no_money_is_lost_or_made()
    {
        var steps = Steps("before-publish", "after-publish", "before-handle").Concat(Steps("after-handle", "after-commit").Where(step => !step.EndsWith("answer", StringComparison.Ordinal) && !step.EndsWith("wanted", StringComparison.Ordinal)));
        // Most of the time a process waits for the lease of the one before it, so several go side by side.
        await Task.WhenAll(steps.Select((step, i) => (step, i)).GroupBy(s => s.i % Chains, s => s.step).Select(chain => Task.Run(() => KillAtEachAsync([.. chain]))));
    }

    [TestCase("--amount", "0", "a saga takes from the ledger first")]
    [TestCase("--count", "-1", "a whole number from 0")]
    [TestCase("--crash-at", "after-lunch", "before-publish:withdraw")]
    public void A_wrong_option_says_what_to_write(string option, string value, string expected)
    {
        var (code, output) = TestServers.Start("dotnet", BuiltProgram.Path("Transfer"), "saga", option, value);
        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Contain(expected).And.Not.Contain("Exception"));
    }

    private static IEnumerable<string> Steps(params string[] points) => points.SelectMany(point => Forward.Concat(Back).Select(message => $"{point}:{message}"));

    /// <summary>Each process begins a transfer of its own and goes on with those of the dead, until one or the other kills it.</summary>
    private static async Task KillAtEachAsync(string[] steps)
    {
        await using var sample = await TransferSample.CreateAsync();
        foreach (var step in steps)
        {
            var goesBack = Back.Any(message => step.EndsWith(':' + message, StringComparison.Ordinal));
            Assert.That(sample.Saga("--amount", goesBack ? TooMuch : Little, "--crash-at", step).Output, Does.Contain($"killed at {step}"));
        }

        var (code, output) = sample.Saga("--count", "0");

        // A process may have died of another's transfer before it has begun its own.
        var completed = await sample.LedgerAsync($"SELECT count(*) FROM transfers WHERE amount = {Little}");
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain($"after: ledger {1000 - (10 * completed)}, wallet {1000 + (10 * completed)}, together 2000"));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas WHERE status = 'completed'"), Is.EqualTo(completed));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas WHERE status = 'compensated'"), Is.EqualTo(await sample.LedgerAsync($"SELECT count(*) FROM transfers WHERE amount = {TooMuch}")));
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM sagas WHERE status NOT IN ('completed', 'compensated')"), Is.Zero);
        Assert.That(await sample.LedgerAsync("SELECT count(*) FROM dead_letters") + await sample.WalletAsync("SELECT count(*) FROM dead_letters"), Is.Zero);
    }
}

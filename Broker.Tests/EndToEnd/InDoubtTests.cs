using Broker.Dashboard;
using Broker.Dashboard.Jobs;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.EndToEnd;

/// <summary>What an operator sees and does when a service is gone in the middle of its transactions.</summary>
internal sealed class InDoubtTests
{
    private static readonly TestTransfers.Pairing Pairing = new(SqlDialect.PostgreSql, SqlDialect.MySql);

    private sealed class DiedException() : Exception("died");

    [Test]
    public async Task The_command_line_lists_shows_and_decides()
    {
        await using var transfers = await DeadAsync();
        var id = await LeaveAsync(transfers, TimeSpan.FromHours(1));

        var (code, list) = await RunAsync(transfers, "list");
        Assert.That(code, Is.EqualTo(ExitCodes.Ok), list);
        Assert.That(list, Does.Contain(id).And.Contain("waiting"));
        Assert.That((await RunAsync(transfers, "rollback", id, "--reason", "too early")).Output, Does.Contain("its coordinator may be at work"));
        await transfers.Coordination.Store.RaiseIncarnationAsync("test", "restored", CancellationToken.None);
        Assert.That((await RunAsync(transfers, "list")).Output, Does.Contain("decision-lost"));

        var (committed, shown) = await RunAsync(transfers, "commit", id, "--reason", "the customer has its receipt", "--json");

        Assert.That(committed, Is.EqualTo(ExitCodes.Ok), shown);
        await transfers.RecoverAsync();
        var json = JObject.Parse((await RunAsync(transfers, "show", id, "--json")).Output);
        Assert.That(((string?)json["decision"], (string?)json["reason"], (string?)json["state"]), Is.EqualTo(("commit", "the customer has its receipt", Decision.Committed)));
        Assert.That((string?)json["decidedBy"], Does.Contain("@"), "who");
        Assert.That(json["branches"]!.Select(b => (string?)b["state"]), Is.EqualTo(new[] { Decision.Committed, Decision.Committed }));
        Assert.That((await RunAsync(transfers, "rollback", id, "--reason", "changed my mind")).Output, Does.Contain("A decision cannot be changed"));
        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance - 10, TestTransfers.Balance + 10)));
    }

    [Test]
    public async Task After_a_restore_an_operator_raises_the_incarnation()
    {
        await using var transfers = await DeadAsync();

        var (code, output) = await RunAsync(transfers, "restored", "--coordinator", transfers.Name, "--reason", "ledger restored to 14:00");

        Assert.That((code, output.Trim()), Is.EqualTo((ExitCodes.Ok, $"Coordinator '{transfers.Name}' is in incarnation 2 now.")));
    }

    [TestCase("not-an-id", "is no id of a transaction")]
    [TestCase("obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x", "is not configured")]
    public async Task What_is_not_there_is_said(string id, string expected)
    {
        await using var transfers = await DeadAsync();

        var (code, output) = await RunAsync(transfers, "show", id);

        Assert.That(code, Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(output, Does.Contain(expected));
    }

    [Test]
    public async Task The_job_finishes_what_no_process_of_the_service_is_left_to_finish()
    {
        await using var transfers = await DeadAsync();
        await LeaveAsync(transfers, TimeSpan.FromSeconds(1));
        await using var dashboard = await StartAsync(transfers);
        var job = new RecoveryJob(dashboard.Services.GetRequiredService<IDashboardCoordinators>(), NullLogger<RecoveryJob>.Instance);

        await Eventually.IsTrueAsync(
            async () =>
            {
                Assert.That(await job.RunAsync(CancellationToken.None), Does.StartWith($"{transfers.Name}: "));
                return await transfers.PreparedAsync() == 0;
            },
            "the job rolls back what is past its deadline");

        Assert.That(await transfers.BalancesAsync(), Is.EqualTo((TestTransfers.Balance, TestTransfers.Balance)));
    }

    [Test]
    public async Task The_page_shows_what_is_in_doubt_and_how_often_it_succeeds()
    {
        var dies = false;
        await using var transfers = await TestTransfers.CreateAsync(Pairing, configure: options => options.Reached = step => dies && step.Name == "before-decision" ? throw new DiedException() : ValueTask.CompletedTask);
        await transfers.TransferAsync();
        dies = true;
        var id = await LeaveAsync(transfers, TimeSpan.FromHours(1));
        await using var dashboard = await StartAsync(transfers);
        using var browser = dashboard.Browser();

        var page = await browser.GetStringAsync("/dashboard/broker/transactions");

        Assert.That(page, Does.Contain(id).And.Contain("waiting").And.Contain("first: prepared").And.Contain("The oldest branch has been prepared for"));
        Assert.That(page, Does.Contain("P = ΠPᵢ").Or.Contain("P = &#x3A0;P&#x1D62;"));
        Assert.That(page, Does.Contain("100.0 %"));
    }

    [Test]
    public async Task The_page_names_a_decision_that_somebody_has_written_by_hand()
    {
        await using var transfers = await TestTransfers.CreateAsync(Pairing);
        await transfers.First.ExecuteAsync(
            "INSERT INTO transaction_decisions (transaction_id, coordinator, decision, decided_by, branches, outcome) VALUES ('by-hand', @coordinator, 'commit', 'somebody', '[]', 'committed')", ("coordinator", transfers.Name));
        await using var dashboard = await StartAsync(transfers);
        using var browser = dashboard.Browser();

        var page = await browser.GetStringAsync("/dashboard/broker/transactions");

        Assert.That(page, Does.Contain("The transactions cannot be listed").And.Contain("by-hand").And.Contain("delete it"));
    }

    private static Task<TestTransfers> DeadAsync() =>
        TestTransfers.CreateAsync(Pairing, configure: options => options.Reached = step => step.Name == "before-decision" ? throw new DiedException() : ValueTask.CompletedTask);

    /// <summary>Lets the coordinator die when all have voted.</summary>
    private static async Task<string> LeaveAsync(TestTransfers transfers, TimeSpan timeout)
    {
        await using var transaction = await transfers.Coordinator.BeginAsync(timeout);
        await TestTransfers.MoveAsync(transaction);
        Assert.That(async () => await transaction.CommitAsync(), Throws.InstanceOf<CoordinatorDiedException>());
        return transaction.Id;
    }

    private static Task<TestDashboard> StartAsync(TestTransfers transfers) => TestDashboard.StartAsync(
        new Dictionary<string, TestDatabase> { ["first"] = transfers.First, ["second"] = transfers.Second },
        new Dictionary<string, string?>(TestDashboard.Users) { [$"Broker:Coordinators:{transfers.Name}:Participants"] = "first, second" });

    private static async Task<(int Code, string Output)> RunAsync(TestTransfers transfers, params string[] arguments)
    {
        var folder = TestServers.Folder;
        var file = Path.Combine(folder, "worker.json");
        await File.WriteAllTextAsync(file, Newtonsoft.Json.JsonConvert.SerializeObject(new
        {
            Broker = new
            {
                Sources = new { first = WorkerProcess.Source(transfers.First), second = WorkerProcess.Source(transfers.Second) },
                Coordinators = new Dictionary<string, object> { [transfers.Name] = new { Participants = new[] { "first", "second" } } },
            },
        }));
        await using var process = WorkerProcess.Run(folder, ["in-doubt", .. arguments, "--config", file]);
        var code = await process.ExitAsync(TimeSpan.FromMinutes(2));
        return (code, process.Output);
    }
}

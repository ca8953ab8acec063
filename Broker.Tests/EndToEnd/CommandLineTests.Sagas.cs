using Broker.Tests.Support;
using Newtonsoft.Json.Linq;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <content>What an operator types when a saga is parked.</content>
internal sealed partial class CommandLineTests
{
    [Test]
    public async Task Sagas_are_listed_shown_and_told_what_an_operator_decides([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var orders = await TestDatabase.CreateAsync(engine);
        await SagaAsync(orders, "order-1", "parked", "payment", "the bank is closed");
        await SagaAsync(orders, "order-2", "completed", null, null);
        await SagaAsync(orders, "order-3", "running", "stock", null);
        var folder = Configure(("orders", orders));

        Assert.That(await RunAsync(folder, "sagas", "list", "--source", "orders", "--json"), Is.EqualTo(ExitCodes.Ok));
        var listed = JObject.Parse(_output)["sagas"]!;
        Assert.That(listed.Select(s => (string?)s["id"]), Is.EquivalentTo(new[] { "order-1", "order-2", "order-3" }));
        Assert.That(listed[0]!.ToObject<Dictionary<string, object>>()!.Keys, Is.EqualTo(MarkdownFields("docs/cli.md", "Field of a saga")), "the documented shape");
        Assert.That(await RunAsync(folder, "sagas", "list", "--source", "orders", "--status", "parked"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Match(@"checkout\s+order-1\s+parked\s+payment\s+compensation\s+3\s.*the bank is closed").And.Not.Contain("order-2"));
        Assert.That(await RunAsync(folder, "sagas", "list", "--source", "orders", "--limit", "1"), Is.EqualTo(ExitCodes.Ok));
        var before = _output.Split("--before ")[1].Split('\n')[0].Trim();
        Assert.That(await RunAsync(folder, "sagas", "list", "--source", "orders", "--before", before, "--json"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output)["sagas"]!.Count(), Is.EqualTo(2), "the next page");

        Assert.That(await RunAsync(folder, "sagas", "show", "checkout", "order-1", "--source", "orders"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(_output, Does.Contain("checkout order-1: parked at the compensation of step 'payment', attempt 3").And.Contain("parked: the bank is closed").And.Match(@"payment\s+compensation\s+parked\s+3"));
        Assert.That(await RunAsync(folder, "sagas", "show", "checkout", "order-9", "--source", "orders"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("has no saga 'checkout' order-9"));

        Assert.That(await RunAsync(folder, "sagas", "retry", "checkout", "order-1", "--source", "orders", "--reason", "open again"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(await RunAsync(folder, "sagas", "give-up", "checkout", "order-1", "--source", "orders", "--reason", "by hand", "--json"), Is.EqualTo(ExitCodes.Ok));
        var told = await orders.QueryAsync($"SELECT type, {orders.Body} FROM outbox_messages ORDER BY sequence");
        Assert.That(told.Select(t => t[0]), Is.All.EqualTo("outbox.saga.checkout.v1"));
        Assert.That(told.Select(t => JObject.Parse(t[1]!)).Select(t => ((string?)t["kind"], (string?)t["id"], (string?)t["reason"])), Is.EqualTo(new[] { ("retry", "order-1", "open again"), ("give-up", "order-1", "by hand") }));
        Assert.That(told.Select(t => (string?)JObject.Parse(t[1]!)["actor"]), Is.All.Contains("@"));

        Assert.That(await RunAsync(folder, "sagas", "give-up", "checkout", "order-3", "--source", "orders", "--reason", "x"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("Only one that is parked can be given up"));
        Assert.That(await RunAsync(folder, "sagas", "retry", "checkout", "order-2", "--source", "orders"), Is.EqualTo(ExitCodes.Misconfigured));
        Assert.That(_output, Does.Contain("it has ended"));
        Assert.That(await RunAsync(folder, "sagas", "give-up", "checkout", "order-1", "--source", "orders"), Is.EqualTo(ExitCodes.Misconfigured), "without a reason");
    }

    [Test]
    public async Task Pages_of_sagas_of_one_time_show_each_of_them_once([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var orders = await TestDatabase.CreateAsync(engine);
        string[] ids = ["order-1", "order-2", "Order-2", "a b/c", "'\"$x", "%41", "grün"];
        foreach (var id in ids)
            await SagaAsync(orders, id, "running", "stock", null);
        await orders.ExecuteAsync("INSERT INTO sagas (type, id, status, operation, round, attempt, entries, state) VALUES ('refund', 'order-2', 'running', 'action', 1, 1, 1, '{}')");
        await orders.ExecuteAsync("UPDATE sagas SET updated_at = @at", ("at", new DateTime(2026, 7, 27, 12, 0, 0, 123, DateTimeKind.Utc)));
        var folder = Configure(("orders", orders));

        var seen = new List<(string?, string?)>();
        for (string? next = null; ;)
        {
            Assert.That(await RunAsync(folder, ["sagas", "list", "--source", "orders", "--limit", "1", "--json", .. next is null ? (string[])[] : ["--before", next]]), Is.EqualTo(ExitCodes.Ok));
            var page = JObject.Parse(_output);
            seen.AddRange(page["sagas"]!.Select(s => ((string?)s["saga"], (string?)s["id"])));
            Assert.That(seen, Has.Count.LessThanOrEqualTo(ids.Length + 1));
            next = (string?)page["next"];
            if (next is null)
                break;
            Assert.That(next, Does.Match("^[-A-Za-z0-9:./%_~]+$"), "safe on a command line");
        }

        Assert.That(seen, Is.EquivalentTo(ids.Select(id => ("checkout", id)).Append(("refund", "order-2"))));
        Assert.That(await RunAsync(folder, "sagas", "list", "--source", "orders", "--json", "--before", "2026-07-27T12:00:00.123Z"), Is.EqualTo(ExitCodes.Ok));
        Assert.That(JObject.Parse(_output)["sagas"]!, Is.Empty, "a time alone leaves out what is of that time");
    }

    private static async Task SagaAsync(TestDatabase database, string id, string status, string? step, string? trouble)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await connection.Command("INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, trouble) VALUES ('checkout', @id, @status, @step, 'compensation', 1, 3, 2, '{}', @trouble)")
            .With("id", id).With("status", status).With("step", step, System.Data.DbType.String).With("trouble", trouble, System.Data.DbType.String).ExecuteAsync(CancellationToken.None);
        await connection.Command("INSERT INTO saga_steps (type, id, number, event, attempt) VALUES ('checkout', @id, 1, 'started', 0)").With("id", id).ExecuteAsync(CancellationToken.None);
        await connection.Command("INSERT INTO saga_steps (type, id, number, step, operation, event, attempt, reason) VALUES ('checkout', @id, 2, 'payment', 'compensation', @status, 3, @trouble)")
            .With("id", id).With("status", status).With("trouble", trouble, System.Data.DbType.String).ExecuteAsync(CancellationToken.None);
    }
}

using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Dashboard.Jobs;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The dashboard as it is served.</summary>
internal sealed class DashboardTests
{
    [Test]
    public async Task The_overview_lists_the_sources()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser();

        var page = await browser.GetStringAsync("/dashboard/broker");

        Assert.That(page, Does.Contain("orders").And.Contain("Sqlite"));
        Assert.That((await browser.GetAsync("/")).Headers.Location?.ToString(), Is.EqualTo("/dashboard/broker"));
    }

    [Test]
    public async Task A_body_is_edited_without_another_character_being_changed_or_not_at_all()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser();
        await TestDashboard.TakeTokenAsync(browser);
        await BuryAsync(database, 1, "two\nlines");
        await BuryAsync(database, 2, "two\r\nlines");
        await BuryAsync(database, 3, "a\u202Eb");

        Assert.That(await browser.GetStringAsync("/dashboard/broker/dead-letters/orders/1"), Does.Contain("name=\"body\""));
        Assert.That(await browser.GetStringAsync("/dashboard/broker/dead-letters/orders/2"), Does.Not.Contain("name=\"body\"").And.Contain("It cannot be edited here"));
        Assert.That(await browser.GetStringAsync("/dashboard/broker/dead-letters/orders/3"), Does.Not.Contain("name=\"body\""));
        using var form = new FormUrlEncodedContent([new("body", "two\r\nlines\u0085\f!")]);
        using var answer = await browser.PostAsync("/dashboard/broker/act/dead-letters/orders/1", form);

        Assert.That(answer.Headers.Location?.ToString(), Does.Contain("done=redriven"));
        Assert.That(await database.CountAsync($"deferred_messages WHERE hex(body) = '{Convert.ToHexString(Encoding.UTF8.GetBytes("two\nlines\u0085\f!"))}'"), Is.EqualTo(1), "only the line ends that the browser made are undone");
    }

    [Test]
    public async Task The_next_page_of_sagas_goes_on_among_those_of_one_time()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser();
        await database.ExecuteAsync(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 60)
            INSERT INTO sagas (type, id, status, operation, round, attempt, entries, state, updated_at) SELECT 'checkout', 'order/' || n, 'running', 'action', 1, 1, 1, '{}', '2026-07-27 12:00:00.123' FROM numbers
            """);

        var first = await browser.GetStringAsync("/dashboard/broker/sagas");
        var next = WebUtility.HtmlDecode(Regex.Match(first, "rel=\"next\" href=\"([^\"]+)\"").Groups[1].Value);
        var second = await browser.GetStringAsync(next);

        var shown = new[] { first, second }.SelectMany(page => Regex.Matches(page, "checkout (order/[0-9]+)").Select(m => m.Groups[1].Value)).ToList();
        Assert.That(shown, Has.Count.EqualTo(60));
        Assert.That(shown, Is.Unique);
    }

    [Test]
    public async Task A_parked_saga_is_shown_with_its_history_and_told_what_an_operator_decides()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser();
        using var reader = dashboard.Browser("bob");
        await TestDashboard.TakeTokenAsync(browser);
        const string id = "a/b <1>";
        await database.ExecuteAsync("INSERT INTO sagas (type, id, status, step, operation, round, attempt, entries, state, trouble) VALUES ('checkout', @id, 'parked', 'payment', 'compensation', 1, 3, 1, '{\"order\":7}', 'the bank is closed')", ("id", id));
        await database.ExecuteAsync("INSERT INTO saga_steps (type, id, number, step, operation, event, attempt, reason) VALUES ('checkout', @id, 1, 'payment', 'compensation', 'parked', 3, 'the bank is closed')", ("id", id));
        var path = $"/dashboard/broker/sagas/orders/checkout?id={Uri.EscapeDataString(id)}";

        Assert.That(await browser.GetStringAsync("/dashboard/broker/sagas?status=parked"), Does.Contain("a/b &lt;1&gt;").And.Contain("the bank is closed").And.Contain(WebUtility.HtmlEncode(path)));
        Assert.That(await browser.GetStringAsync(path), Does.Contain("payment: compensation").And.Contain("Give up").And.Contain("Retry"));
        Assert.That(await reader.GetStringAsync(path), Does.Contain("payment: compensation").And.Not.Contain("Give up"));

        async Task<string> ActAsync(params KeyValuePair<string, string>[] fields)
        {
            using var form = new FormUrlEncodedContent([new("id", id), .. fields]);
            using var answer = await browser.PostAsync("/dashboard/broker/act/sagas/orders/checkout", form);
            return await browser.GetStringAsync(answer.Headers.Location);
        }
        Assert.That(await ActAsync(new KeyValuePair<string, string>("do", "give-up")), Does.Contain("giving up needs a reason"));
        Assert.That(await database.CountAsync("outbox_messages"), Is.Zero);
        Assert.That(await ActAsync(new("do", "give-up"), new("reason", "paid back by hand")), Does.Contain("told that the operation is given up"));
        Assert.That(await ActAsync(new KeyValuePair<string, string>("do", "retry")), Does.Contain("told to try again"));

        var told = (await database.QueryAsync($"SELECT {database.Body} FROM outbox_messages ORDER BY sequence")).Select(r => r[0]!).ToList();
        Assert.That(told[0], Does.Contain("give-up").And.Contain("paid back by hand").And.Contain("\"actor\":\"ada\""));
        Assert.That(told[1], Does.Contain("retry"));
    }

    [Test]
    public async Task A_job_that_nobody_would_ever_run_is_refused_in_words()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser();
        await TestDashboard.TakeTokenAsync(browser);
        var jobs = dashboard.Services.GetRequiredService<LetterJobs>();
        using var form = new FormUrlEncodedContent([new("do", "redrive-all")]);
        using var answer = await browser.PostAsync("/dashboard/broker/act/dead-letters/orders", form);

        Assert.That(await browser.GetStringAsync(answer.Headers.Location), Does.Contain("nobody would run it"));
        Assert.That(jobs.Recent(10), Is.Empty);
        Assert.That(() => jobs.RedriveAsync("orders", new DeadLetterDesk.Filter(), null, "ada", CancellationToken.None), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("Broker:Jobs:Storage"));
    }

    [TestCase(null, false)]
    [TestCase("10.9.9.9", false)]
    [TestCase("127.0.0.0/8", true)]
    public async Task Behind_a_proxy_that_ends_TLS_browsers_are_told_to_stay_with_it_and_keep_cookies_to_it(string? proxies, bool isBelieved)
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var configuration = TestDashboard.Users;
        if (proxies is not null)
            configuration["Broker:Http:Proxies"] = proxies;
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database }, configuration);
        using var browser = dashboard.Browser();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/dashboard/broker");
        request.Headers.Add("X-Forwarded-Proto", "https");
        using var answer = await browser.SendAsync(request);

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(answer.Headers.TryGetValues("Strict-Transport-Security", out var stay) ? stay.Single() : null, isBelieved ? Does.StartWith("max-age=") : Is.Null);
        Assert.That(answer.Headers.GetValues("Set-Cookie").Single().Contains("; secure", StringComparison.OrdinalIgnoreCase), Is.EqualTo(isBelieved));
    }

    [Test]
    public async Task Nobody_comes_in_as_long_as_nobody_is_configured()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database }, new Dictionary<string, string?>());
        using var browser = dashboard.Browser();

        var answer = await browser.GetAsync("/dashboard/broker");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("broker dashboard hash-password"));
    }

    private static Task<int> BuryAsync(TestDatabase database, long id, string body) => database.ExecuteAsync(
        "INSERT INTO dead_letters (id, side, consumer, message_id, type, content_type, body, reason, attempts, state) VALUES (@number, 'consumer', 'stock', @id, 'tests.something.v1', 'text/plain', @body, 'it failed', 1, 'dead')",
        ("number", id), ("id", Guid.CreateVersion7()), ("body", Encoding.UTF8.GetBytes(body)));
}

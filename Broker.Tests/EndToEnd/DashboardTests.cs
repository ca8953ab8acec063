using System.Net;
using Broker.Tests.Support;
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
    public async Task Nobody_comes_in_as_long_as_nobody_is_configured()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database }, new Dictionary<string, string?>());
        using var browser = dashboard.Browser();

        var answer = await browser.GetAsync("/dashboard/broker");

        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("broker dashboard hash-password"));
    }
}

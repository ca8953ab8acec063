using System.Net;
using Broker.Tests.Support;
using Outbox.Locks;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>The page of the locks.</summary>
internal sealed class DashboardLockTests
{
    [Test]
    public async Task The_page_shows_who_holds_what_and_an_operator_takes_it_away_and_the_audit_log_says_so([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] SqlDialect engine)
    {
        await using var place = new DatabaseLockPlace(await TestDatabase.CreateAsync(engine));
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = place.Guarded });
        await using var held = await place.Connect("<host-7>", TimeSpan.FromMinutes(5)).AcquireAsync("nightly-settlement");
        using var ada = dashboard.Browser();
        using var bob = dashboard.Browser("bob");

        var page = await ada.GetStringAsync("/dashboard/broker/locks");
        Assert.That(page, Does.Contain("nightly-settlement").And.Contain("&lt;host-7&gt;").And.Contain($">{held.Token}<").And.Contain("Take it away"));
        Assert.That(await bob.GetStringAsync("/dashboard/broker/locks"), Does.Contain("nightly-settlement").And.Not.Contain("Take it away"));

        await TestDashboard.TakeTokenAsync(ada);
        Assert.That(await StealAsync(ada, ""), Does.Contain("done=no-reason"));
        Assert.That(await StealAsync(ada, "its host is gone"), Does.Contain("done=stolen"));
        Assert.That(await StealAsync(ada, "again"), Does.Contain("done=free"));

        Assert.That(await ada.GetStringAsync("/dashboard/broker/locks?source=orders&done=stolen"), Does.Contain("No lock is held").And.Contain("taken away"));
        Assert.That(await ada.GetStringAsync("/dashboard/broker/audit"), Does.Contain("its host is gone").And.Contain("lock nightly-settlement").And.Contain("ada").And.Not.Contain("again"));
    }

    private static async Task<string> StealAsync(HttpClient browser, string reason)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["name"] = "nightly-settlement", ["reason"] = reason });
        using var answer = await browser.PostAsync("/dashboard/broker/act/locks/orders", form);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther).Or.EqualTo(HttpStatusCode.Redirect));
        return answer.Headers.Location!.ToString();
    }
}

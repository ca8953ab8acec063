using System.Net;
using Broker.Dashboard.Security;
using Broker.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Log-in by name and password.</summary>
internal sealed class DashboardLogInTests
{
    [Test]
    public async Task Who_fails_too_often_waits_and_others_do_not()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var wrong = dashboard.Browser("ada", "wrong password");
        for (var i = 0; i < LogInThrottle.Most; i++)
            Assert.That((await wrong.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));

        var refused = await wrong.GetAsync("/dashboard/broker");
        using var right = dashboard.Browser();
        using var bob = dashboard.Browser("bob");

        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
        Assert.That(refused.Headers.RetryAfter!.Delta, Is.GreaterThan(TimeSpan.Zero));
        Assert.That((await right.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests), "a right guess is not told from a wrong one");
        Assert.That((await bob.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Guesses_at_somebody_who_has_just_logged_in_are_hindered_too()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var right = dashboard.Browser();
        using var wrong = dashboard.Browser("ada", "wrong password");
        Assert.That((await right.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        for (var i = 0; i < LogInThrottle.Most; i++)
            await wrong.GetAsync("/dashboard/broker");

        Assert.That((await right.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests), "a right guess is not told from a wrong one");
    }

    [TestCase("ada", "")]
    [TestCase("Ada", TestDashboard.Password)]
    [TestCase("mallory", TestDashboard.Password)]
    [TestCase("", TestDashboard.Password)]
    public async Task Nobody_comes_in_with_another_name_or_password(string user, string password)
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        await using var dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = database });
        using var browser = dashboard.Browser(user, password);

        Assert.That((await browser.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public void Failures_are_forgotten_after_their_time_and_an_address_that_tries_many_names_waits_for_all_of_them()
    {
        var time = new FakeTimeProvider();
        var throttle = new LogInThrottle(time);
        for (var i = 0; i < LogInThrottle.MostOfAddress; i++)
            throttle.Failed($"name{i}", "10.0.0.1");

        Assert.That(throttle.Refuses("ada", "10.0.0.1", out var wait), Is.True);
        Assert.That(wait, Is.EqualTo(LogInThrottle.Window));
        Assert.That(throttle.Refuses("ada", "10.0.0.2", out _), Is.False);
        time.Advance(LogInThrottle.Window);
        Assert.That(throttle.Refuses("ada", "10.0.0.1", out _), Is.False);
    }

    [Test]
    public async Task A_forwarded_address_counts_only_from_a_configured_proxy()
    {
        await using var database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        var sources = new Dictionary<string, TestDatabase> { ["orders"] = database };
        foreach (var (proxies, expected) in new[] { (null, HttpStatusCode.TooManyRequests), ("10.9.9.9", HttpStatusCode.TooManyRequests), ("127.0.0.0/8", HttpStatusCode.Unauthorized) })
        {
            await using var dashboard = await TestDashboard.StartAsync(sources, proxies is null ? null : new Dictionary<string, string?>(TestDashboard.Users) { ["Broker:Http:Proxies"] = proxies });
            using var wrong = dashboard.Browser("ada", "wrong password");
            var last = HttpStatusCode.OK;
            for (var i = 0; i <= LogInThrottle.Most; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, "/dashboard/broker");
                request.Headers.Add("X-Forwarded-For", $"192.0.2.{i}");
                last = (await wrong.SendAsync(request)).StatusCode;
            }
            Assert.That(last, Is.EqualTo(expected), $"proxies: {proxies ?? "none"}");
        }
    }
}

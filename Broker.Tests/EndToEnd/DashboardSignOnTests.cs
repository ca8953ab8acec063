using System.Net;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Log-in at an OpenID Connect provider.</summary>
internal sealed class DashboardSignOnTests
{
    private TestDatabase _database = null!;
    private TestIdentityProvider _provider = null!;
    private TestDashboard _dashboard = null!;

    [SetUp]
    public async Task Start()
    {
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        _provider = await TestIdentityProvider.StartAsync();
        _dashboard = await StartAsync([]);
    }

    [TearDown]
    public async Task Stop()
    {
        await _dashboard.DisposeAsync();
        await _provider.DisposeAsync();
        await _database.DisposeAsync();
    }

    [TestCase("broker-operator", HttpStatusCode.OK, HttpStatusCode.NoContent)]
    [TestCase("broker-readonly", HttpStatusCode.OK, HttpStatusCode.Forbidden)]
    [TestCase("Broker-Operator", HttpStatusCode.Forbidden, null)]
    [TestCase("something-else", HttpStatusCode.Forbidden, null)]
    public async Task What_the_provider_says_of_somebody_decides_what_they_may_do(string role, HttpStatusCode sees, HttpStatusCode? acts)
    {
        _provider.Roles = ["employee", role];
        using var browser = await LogInAsync();

        Assert.That((await browser.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(sees));
        if (acts is null)
            return;
        await TestDashboard.TakeTokenAsync(browser);
        Assert.That((await browser.PostAsync("/dashboard/recurring/trigger", new FormUrlEncodedContent([new("jobs[]", "x1")]))).StatusCode, Is.EqualTo(acts));
    }

    [Test]
    public async Task A_token_that_is_not_the_providers_own_for_this_log_in_lets_nobody_in([Values] TestIdentityProvider.Flaw flaw)
    {
        _provider.Roles = ["broker-operator"];
        _provider.TokenFlaw = flaw;
        using var browser = await LogInAsync();

        Assert.That((await browser.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(flaw == TestIdentityProvider.Flaw.None ? HttpStatusCode.OK : HttpStatusCode.Redirect));
    }

    [Test]
    public async Task Who_is_unknown_is_sent_to_the_provider_and_a_script_is_told()
    {
        using var nobody = _dashboard.Browser(user: null);
        var sent = await nobody.GetAsync("/dashboard/broker");
        Assert.That(sent.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
        Assert.That(sent.Headers.Location!.ToString(), Does.StartWith(_provider.Url + "/authorize").And.Contain("code_challenge="));
        Assert.That((await nobody.PostAsync("/dashboard/stats", null)).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task Behind_a_proxy_the_provider_sends_people_back_to_the_address_that_they_know()
    {
        await using var dashboard = await StartAsync(new Dictionary<string, string?> { ["Broker:Http:Proxies"] = "127.0.0.1" });
        foreach (var (server, expected) in new[] { (dashboard, "https://broker.example.com/signin-oidc"), (_dashboard, _dashboard.Url + "/signin-oidc") })
        {
            using var browser = server.Browser(user: null);
            using var request = new HttpRequestMessage(HttpMethod.Get, "/dashboard/broker");
            request.Headers.Add("X-Forwarded-Proto", "https");
            request.Headers.Add("X-Forwarded-Host", "broker.example.com");
            using var sent = await browser.SendAsync(request);
            Assert.That(Uri.UnescapeDataString(sent.Headers.Location!.Query), Does.Contain($"redirect_uri={expected}&"));
        }
    }

    [Test]
    public async Task An_answer_that_the_dashboard_did_not_ask_for_lets_nobody_in()
    {
        using var nobody = _dashboard.Browser(user: null);
        Assert.That((await nobody.GetAsync("/signin-oidc?code=forged&state=forged")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await nobody.GetAsync("/dashboard/broker")).StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
    }

    private Task<TestDashboard> StartAsync(Dictionary<string, string?> more) => TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = _database }, new Dictionary<string, string?>(more)
    {
        ["Broker:Dashboard:Oidc:Authority"] = _provider.Url,
        ["Broker:Dashboard:Oidc:ClientId"] = TestIdentityProvider.ClientId,
        ["Broker:Dashboard:Oidc:ClientSecret"] = TestIdentityProvider.ClientSecret,
    });

    /// <summary>Goes where it is sent, to the provider and back.</summary>
    private async Task<HttpClient> LogInAsync()
    {
        var browser = _dashboard.Browser(user: null);
        var answer = await browser.GetAsync("/dashboard/broker");
        for (var i = 0; i < 5 && answer.StatusCode == HttpStatusCode.Redirect; i++)
            answer = await browser.GetAsync(answer.Headers.Location);
        return browser;
    }
}

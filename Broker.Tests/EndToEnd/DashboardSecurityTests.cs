using System.Net;
using System.Reflection;
using System.Text.RegularExpressions;
using Broker.Dashboard;
using Broker.Dashboard.Pages;
using Broker.Tests.Support;
using Hangfire.Dashboard;
using Microsoft.AspNetCore.Routing;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Who may do what at every path that the dashboard answers, ours and Hangfire's, found by asking what is registered: a path that somebody adds is tried here too.</summary>
internal sealed partial class DashboardSecurityTests
{
    /// <summary>Paths outside of the dashboard that anybody may ask, each for a reason.</summary>
    private static readonly string[] OpenToAnybody = ["/health", "/health/live", "/health/ready", "/metrics"];

    private TestDatabase _database = null!;
    private TestDashboard _dashboard = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _database = await TestDatabase.CreateAsync(SqlDialect.Sqlite);
        _dashboard = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = _database });
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        await _dashboard.DisposeAsync();
        await _database.DisposeAsync();
    }

    /// <summary>A path of the dashboard that a registered route answers, with whether the route changes something.</summary>
    private static List<(string Path, bool Changes)> Routes()
    {
        DashboardRegistration.Register();
        var field = typeof(Hangfire.Dashboard.RouteCollection).GetFields(BindingFlags.Instance | BindingFlags.NonPublic).Single(f => typeof(System.Collections.IEnumerable).IsAssignableFrom(f.FieldType));
        var registered = (List<Tuple<string, IDashboardDispatcher>>)field.GetValue(DashboardRoutes.Routes)!;
        var routes = registered.Select(r => (Path: "/dashboard" + PathOf(r.Item1), Changes: r.Item2 is RouteDispatcher ours ? ours.Route.Changes : r.Item2.GetType().Name.Contains("Command", StringComparison.Ordinal))).ToList();
        foreach (var (path, _) in routes)
            Assert.That(DashboardRoutes.Routes.FindDispatcher(path["/dashboard".Length..]), Is.Not.Null, $"{path} is no path of a route; teach PathOf its pattern");
        return routes;
    }

    /// <summary>A path that a pattern fits.</summary>
    private static string PathOf(string pattern) => Group().Replace(pattern, "x1").Replace("[0-9]+", "1", StringComparison.Ordinal);

    [Test]
    public void Every_route_of_ours_is_registered_under_one_prefix()
    {
        var routes = Routes().Select(r => r.Path).ToList();
        foreach (var route in BrokerRoutes.All)
        {
            Assert.That(route.Pattern, Does.StartWith(BrokerRoutes.Prefix));
            Assert.That(routes, Has.Member("/dashboard" + PathOf(route.Pattern)));
        }
    }

    [Test]
    public void Nothing_else_is_served_without_the_policy_but_what_is_meant_to_be()
    {
        var endpoints = ((IEndpointRouteBuilder)_dashboard.Host).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>();
        var all = endpoints.ToList();
        var open = all.Where(e => e.Metadata.GetMetadata<Microsoft.AspNetCore.Authorization.IAuthorizeData>()?.Policy != Broker.Dashboard.Security.DashboardRoles.Policy);

        Assert.That(open.Select(PathOf), Is.SubsetOf(OpenToAnybody));
        // The policy asks who somebody is. Method, role and token are asked at the gate, which stands on the dashboard's path alone.
        Assert.That(all.Select(PathOf).Where(p => !p.StartsWith("/dashboard/", StringComparison.Ordinal)).Except(OpenToAnybody), Is.EqualTo(new[] { "/" }), "it only sends people to the overview");

        static string PathOf(RouteEndpoint endpoint) => "/" + endpoint.RoutePattern.RawText!.TrimStart('/');
    }

    [Test]
    public async Task Who_is_unknown_is_refused_everywhere_whatever_address_they_claim()
    {
        using var nobody = _dashboard.Browser(user: null);
        foreach (var (path, _) in Routes())
        {
            foreach (var method in new[] { HttpMethod.Get, HttpMethod.Post, HttpMethod.Head, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options })
            {
                foreach (var forwarded in new string?[] { null, "127.0.0.1", "::1" })
                {
                    using var request = new HttpRequestMessage(method, path);
                    if (forwarded is not null)
                    {
                        request.Headers.Add("X-Forwarded-For", forwarded);
                        request.Headers.Add("X-Real-IP", forwarded);
                        request.Headers.Add("Forwarded", $"for={forwarded}");
                    }
                    using var answer = await nobody.SendAsync(request);
                    Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), $"{method} {path}, forwarded for {forwarded ?? "nobody"}");
                }
            }
        }
    }

    [Test]
    public async Task Who_only_looks_changes_nothing()
    {
        using var reader = _dashboard.Browser("bob");
        await TestDashboard.TakeTokenAsync(reader);
        foreach (var (path, _) in Routes().Where(r => r.Path != "/dashboard/stats"))
        {
            using var answer = await PostAsync(reader, path);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), path);
        }
    }

    [Test]
    public async Task A_request_from_another_site_changes_nothing()
    {
        using var forged = _dashboard.Browser();
        using var other = _dashboard.Browser("bob");
        await TestDashboard.TakeTokenAsync(other);
        var stolen = other.DefaultRequestHeaders.GetValues("RequestVerificationToken").Single();
        foreach (var token in new[] { null, "forged", stolen })
        {
            forged.DefaultRequestHeaders.Remove("RequestVerificationToken");
            if (token is not null)
                forged.DefaultRequestHeaders.Add("RequestVerificationToken", token);
            foreach (var (path, _) in Routes())
            {
                using var answer = await PostAsync(forged, path);
                Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), $"{path} with {(token is null ? "no token" : token == stolen ? "somebody else's token" : "a forged token")}");
            }
        }
    }

    [Test]
    public async Task What_changes_something_is_done_by_POST_alone()
    {
        using var browser = _dashboard.Browser();
        await TestDashboard.TakeTokenAsync(browser);
        var changing = Routes().Where(r => r.Changes).Select(r => r.Path).ToList();
        Assert.That(changing, Has.Member("/dashboard/recurring/trigger"), "Hangfire's own are among them");
        foreach (var path in changing)
        {
            using var answer = await browser.GetAsync(path);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed), path);
        }
        foreach (var (path, _) in Routes())
        {
            using var answer = await browser.SendAsync(new HttpRequestMessage(HttpMethod.Put, path));
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed), path);
        }
    }

    [Test]
    public async Task An_operator_with_a_token_is_let_through()
    {
        using var browser = _dashboard.Browser();
        await TestDashboard.TakeTokenAsync(browser);
        using var answer = await PostAsync(browser, "/dashboard/recurring/trigger");
        Assert.That((int)answer.StatusCode, Is.LessThan(400));
    }

    [Test]
    public async Task Every_answer_carries_the_headers_that_keep_a_browser_from_harm()
    {
        using var browser = _dashboard.Browser();
        using var nobody = _dashboard.Browser(user: null);
        foreach (var answer in new[] { await browser.GetAsync("/dashboard/broker"), await nobody.GetAsync("/dashboard/broker"), await nobody.GetAsync("/nowhere") })
        {
            Assert.That(answer.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("script-src 'self';").And.Contain("frame-ancestors 'none'"));
            Assert.That(answer.Headers.GetValues("X-Content-Type-Options").Single(), Is.EqualTo("nosniff"));
            Assert.That(answer.Headers.GetValues("Referrer-Policy").Single(), Is.EqualTo("no-referrer"));
            Assert.That(answer.Headers.CacheControl!.NoStore);
            Assert.That(answer.Headers.Contains("Server"), Is.False);
        }
    }

    [Test]
    public async Task A_body_that_is_too_long_is_refused()
    {
        using var browser = _dashboard.Browser();
        await TestDashboard.TakeTokenAsync(browser);
        using var answer = await browser.PostAsync("/dashboard/recurring/trigger", new FormUrlEncodedContent([new KeyValuePair<string, string>("jobs[]", new string('x', 100_000))]));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge).Or.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task No_connection_string_is_on_any_page()
    {
        using var browser = _dashboard.Browser();
        foreach (var (path, _) in Routes().Where(r => !r.Changes))
        {
            using var answer = await browser.GetAsync(path);
            Assert.That(await answer.Content.ReadAsStringAsync(), Does.Not.Contain(_database.ConnectionString), path);
        }
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient browser, string path) => browser.PostAsync(path, new FormUrlEncodedContent([new KeyValuePair<string, string>("jobs[]", "x1")]));

    [GeneratedRegex(@"\(\?<[^>]+>[^()]*\)")]
    private static partial Regex Group();
}

using System.Text.RegularExpressions;
using Broker.Dashboard.Jobs;
using Broker.Dashboard.Pages;
using Broker.Relay;
using Broker.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Broker.Tests.Browser;

/// <summary>The dashboard as people use it: in a browser, with a mouse, a keyboard and a phone. No page may write an error to the console.</summary>
internal sealed class DashboardWalkTests
{
    private static readonly (string Name, string Path)[] Pages =
    [
        ("overview", "/dashboard/broker"), ("sources", "/dashboard/broker/sources"), ("source", "/dashboard/broker/sources/orders"), ("source-down", "/dashboard/broker/sources/billing"), ("dead-letters", "/dashboard/broker/dead-letters?source=orders&order=oldest"),
        ("dead-letter", ""), ("job", ""), ("deferred", "/dashboard/broker/deferred?source=orders"), ("sagas", "/dashboard/broker/sagas?source=orders"), ("saga", $"/dashboard/broker/sagas/orders/checkout?id={Uri.EscapeDataString(DashboardStage.Hostile)}"), ("inbox", "/dashboard/broker/inbox?source=orders"), ("transactions", "/dashboard/broker/transactions"), ("locks", "/dashboard/broker/locks?source=orders"), ("message", ""), ("audit", "/dashboard/broker/audit?action=discarded"),
        ("empty", "/dashboard/broker/dead-letters?source=stock"),
    ];

    private DashboardStage _stage = null!;
    private TestDashboard _dashboard = null!;
    private TestBrowser _browser = null!;
    private string _hostileLetter = "";
    private string _hostileMessage = "";
    private string _hostileJob = "";

    [OneTimeSetUp]
    public async Task Prepare()
    {
        _browser = await TestBrowser.StartAsync();
        _stage = await DashboardStage.CreateAsync();
        _dashboard = await TestDashboard.StartAsync(_stage.Sources, new Dictionary<string, string?>(TestDashboard.Users.Concat(DashboardStage.Down).Concat(DashboardStage.Coordinator)), "jobs,dashboard");
        var (id, message) = (await _stage.Orders.QueryAsync("SELECT id, message_id::text FROM dead_letters ORDER BY id LIMIT 1")).Select(r => (r[0]!, r[1]!)).Single();
        _hostileJob = await _dashboard.Services.GetRequiredService<LetterJobs>().RedriveAsync("orders", new DeadLetterDesk.Filter(Type: DashboardStage.Hostile, Consumer: "nobody"), DashboardStage.Hostile, DashboardStage.Hostile, CancellationToken.None);
        (_hostileLetter, _hostileMessage) = ($"/dashboard/broker/dead-letters/orders/{id}", $"/dashboard/broker/message?id={message}");
    }

    [OneTimeTearDown]
    public async Task Close()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        if (_dashboard is not null)
            await _dashboard.DisposeAsync();
        if (_stage is not null)
            await _stage.DisposeAsync();
    }

    [TearDown]
    public void NoErrors()
    {
        var errors = _browser.Errors.ToList();
        _browser.Errors.Clear();
        Assert.That(errors, Is.Empty, "a page wrote an error to the console");
    }

    [Test]
    public async Task Every_page_shows_at_every_width_and_in_both_colours_what_strangers_wrote_as_text()
    {
        foreach (var (width, dark) in new[] { (1_280, false), (1_280, true), (375, false), (375, true) })
        {
            var page = await _browser.OpenAsync(_dashboard.Url, width: width, dark: dark);
            foreach (var (name, path) in Pages)
            {
                await page.GotoAsync(PathOf(name, path));
                await Expect(page.Locator("h1")).ToBeVisibleAsync();
                await ShootAsync(page, $"{name}-{(width < 500 ? "phone" : "wide")}-{(dark ? "dark" : "light")}");
                Assert.That(await page.EvaluateAsync<bool>("() => 'hacked' in window"), Is.False, $"{name}: a script of a stranger ran");
                Assert.That(await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"), Is.LessThanOrEqualTo(0), $"{name}, {width} px: nothing is cut off or has to be scrolled to the side");
                Assert.That(await page.EvaluateAsync<int>("() => document.querySelectorAll('.broker script, .broker img').length"), Is.Zero, $"{name}: a stranger's element is in the page");
                if (name is not ("sources" or "source-down" or "empty"))
                    Assert.That(await page.Locator(".broker").TextContentAsync(), Does.Contain("<script>window.hacked=1</script>"), $"{name}: what strangers wrote is there to be read");
            }
            Assert.That(await page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor"), dark ? Is.Not.EqualTo("rgb(255, 255, 255)") : Is.EqualTo("rgb(255, 255, 255)"));
            await page.Context.CloseAsync();
        }
    }

    [Test]
    public void Every_page_of_ours_is_among_those_that_are_walked()
    {
        var walked = Pages.Select(p => PathOf(p.Name, p.Path).Split('?')[0]).ToList();
        foreach (var page in BrokerRoutes.All.OfType<PageRoute>())
            Assert.That(walked.Any(path => Regex.IsMatch(path, $"^/dashboard{page.Pattern}$")), $"'{page.Title}' is shown to no browser with what strangers wrote: add it to the pages");
    }

    [Test]
    public async Task Hangfires_own_pages_show_what_strangers_wrote_as_text_too()
    {
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync($"/dashboard/jobs/details/{_hostileJob}");

        Assert.That(await page.Locator("body").TextContentAsync(), Does.Contain("window.hacked=1"), "the arguments of the job are there");
        Assert.That(await page.EvaluateAsync<bool>("() => 'hacked' in window"), Is.False);
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task The_overview_says_what_is_stuck_since_when_and_why_with_a_way_to_mend_it()
    {
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker");

        await Expect(page.GetByRole(AriaRole.Status)).ToContainTextAsync("Events do not flow in");
        var problems = page.Locator(".b-problems > li");
        await Expect(problems.Filter(new() { HasText = "billing: The database does not answer" })).ToContainTextAsync(new Regex("since 20\\d\\d-\\d\\d-\\d\\d"));
        await Expect(problems.Filter(new() { HasText = "Messages of type" })).ToContainTextAsync("no queue is bound");
        await problems.Filter(new() { HasText = "wait for an operator" }).GetByRole(AriaRole.Link).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Dead letters");
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task The_overview_stays_up_to_date_by_itself_and_keeps_the_focus()
    {
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker");
        var row = page.Locator("tbody tr", new() { HasText = "stock" });
        await Expect(row.Locator("[data-label=Backlog]")).ToHaveTextAsync("0");
        await row.GetByRole(AriaRole.Link).First.FocusAsync();

        await _stage.Stock.InsertAsync();

        await Expect(row.Locator("[data-label=Backlog]")).ToHaveTextAsync("1");
        Assert.That(await page.EvaluateAsync<string>("() => document.activeElement.textContent"), Is.EqualTo("stock"));
        await _stage.Stock.ExecuteAsync("DELETE FROM outbox_messages");
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task Dead_letters_are_filtered_and_paged()
    {
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker/dead-letters?source=orders");
        await page.GetByLabel("Type", new() { Exact = true }).FillAsync("orders.order-placed.v1");
        await page.GetByRole(AriaRole.Button, new() { Name = "Filter" }).ClickAsync();

        await Expect(page.Locator(".b-letters tbody tr")).ToHaveCountAsync(50);
        var first = await page.Locator("[data-label=Number]").AllTextContentsAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Next" }).ClickAsync();
        var second = await page.Locator("[data-label=Number]").AllTextContentsAsync();
        Assert.That(second.Select(long.Parse).Max(), Is.LessThan(first.Select(long.Parse).Min()), "the newest come first, and none twice");
        await page.GetByRole(AriaRole.Link, new() { Name = "Previous" }).ClickAsync();
        Assert.That(await page.Locator("[data-label=Number]").AllTextContentsAsync(), Is.EqualTo(first));

        await page.GetByLabel("Text in the reason").FillAsync("TEA-3");
        await page.GetByLabel("State").SelectOptionAsync("blocking");
        await page.GetByLabel("Type", new() { Exact = true }).FillAsync("");
        await page.GetByLabel("Order").SelectOptionAsync("oldest");
        await page.GetByRole(AriaRole.Button, new() { Name = "Filter" }).ClickAsync();
        await Expect(page.Locator(".b-empty")).ToHaveTextAsync("No dead letter fits.");
        await page.GetByRole(AriaRole.Link, new() { Name = "Show all" }).ClickAsync();
        await Expect(page.Locator(".b-letters tbody tr")).ToHaveCountAsync(50);
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task Chosen_letters_are_redriven_and_discarded_and_the_audit_log_says_by_whom_and_why()
    {
        await _stage.LetterAsync("billing", "tests.redriven.v1", null, "broken");
        await _stage.LetterAsync("billing", "tests.discarded.v1", null, "broken");
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker/dead-letters?source=orders&type=tests.redriven.v1");
        await page.GetByLabel("Choose letter").CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Redrive", Exact = true }).ClickAsync();

        await Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("1 dead letter put back.");
        await Eventually.EqualsAsync(() => _stage.Orders.CountAsync("deferred_messages WHERE consumer = 'billing' AND type = 'tests.redriven.v1'"), 1, "it is the consumer's again");

        await page.GotoAsync("/dashboard/broker/dead-letters?source=orders&type=tests.discarded.v1");
        await page.GetByLabel("Choose all on this page").CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Discard", Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Status)).ToContainTextAsync("say why");
        await page.GetByLabel("Choose letter").CheckAsync();
        await page.GetByLabel("Reason", new() { Exact = true }).FillAsync("ordered twice by mistake");
        await page.GetByRole(AriaRole.Button, new() { Name = "Discard", Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("1 dead letter discarded.");

        await page.GotoAsync("/dashboard/broker/audit?actor=ada&action=discarded");
        await Expect(page.Locator("tbody tr").First).ToContainTextAsync("ordered twice by mistake");
        await Expect(page.Locator("tbody tr").First).ToContainTextAsync("consumer billing");
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task A_body_is_edited_and_its_letter_redriven_by_the_keyboard_alone()
    {
        await _stage.LetterAsync("billing", "tests.edited.v1", null, "the amount is missing", body: """{"order":7}""");
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker/dead-letters?source=orders&type=tests.edited.v1");

        await TabToAsync(page, "td[data-label=Number] a");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("h1")).ToContainTextAsync("Dead letter");
        await TabToAsync(page, "summary");
        Assert.That(await page.EvaluateAsync<string>("() => getComputedStyle(document.activeElement).outlineStyle"), Is.EqualTo("solid"), "where the keyboard is can be seen");
        await page.Keyboard.PressAsync("Enter");
        await TabToAsync(page, "textarea");
        await page.Keyboard.PressAsync("Control+A");
        await page.Keyboard.TypeAsync("""{"order":7,"amount":12}""");
        await TabToAsync(page, ".b-edit button");
        await page.Keyboard.PressAsync("Enter");

        await Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("1 dead letter put back.");
        Assert.That(await _stage.Orders.ScalarAsync<string>($"SELECT {_stage.Orders.Body} FROM deferred_messages WHERE type = 'tests.edited.v1'"), Is.EqualTo("""{"order":7,"amount":12}"""));
        Assert.That(await _stage.Orders.CountAsync("dead_letter_actions WHERE action = 'edited' AND actor = 'ada' AND previous_body IS NOT NULL"), Is.EqualTo(1));
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task All_letters_that_a_filter_finds_are_redriven_by_a_job_that_shows_how_far_it_is()
    {
        for (var i = 0; i < 60; i++)
            await _stage.LetterAsync("billing", "tests.many.v1", $"many-{i}", "broken");
        await _stage.LetterAsync("billing", "tests.other.v1", "many-0", "broken");
        var page = await _browser.OpenAsync(_dashboard.Url);
        await page.GotoAsync("/dashboard/broker/dead-letters?source=orders&type=tests.many.v1");
        await page.GetByLabel("Reason", new() { Exact = true }).FillAsync("the cause is mended");
        await page.GetByText("All letters that the filter finds").ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Redrive all" }).ClickAsync();

        await Expect(page.Locator("h1")).ToHaveTextAsync("Redriving dead letters");
        await Expect(page.GetByRole(AriaRole.Status)).ToHaveTextAsync("Done: 60 of 60 letters.");
        Assert.That(await _stage.Orders.CountAsync("dead_letters WHERE type LIKE 'tests.many%'"), Is.Zero);
        Assert.That(await _stage.Orders.CountAsync("dead_letters WHERE type = 'tests.other.v1'"), Is.EqualTo(1), "the others stay");
        await ShootAsync(page, "job-wide-light");
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task Who_only_looks_is_offered_nothing_to_do()
    {
        var page = await _browser.OpenAsync(_dashboard.Url, "bob");
        foreach (var path in new[] { "/dashboard/broker/dead-letters?source=orders", _hostileLetter })
        {
            await page.GotoAsync(path);
            await Expect(page.Locator("h1")).ToBeVisibleAsync();
            await Expect(page.Locator("form[method=post]")).ToHaveCountAsync(0);
        }
        await page.Context.CloseAsync();
    }

    [Test]
    public async Task Every_page_of_the_menu_can_be_reached_by_the_keyboard_and_has_labels()
    {
        var page = await _browser.OpenAsync(_dashboard.Url);
        foreach (var title in new[] { "Sources", "Dead letters", "Deferred", "Inbox", "Transactions", "Message", "Audit log", "Overview" })
        {
            await page.GotoAsync("/dashboard/broker");
            await page.Locator("#stats a", new() { HasText = title }).FocusAsync();
            await page.Keyboard.PressAsync("Enter");
            await Expect(page.Locator("#stats a.active")).ToContainTextAsync(title);
            var nameless = await page.EvaluateAsync<string[]>(
                """() => [...document.querySelectorAll('.broker a, .broker button, .broker input:not([type=hidden]), .broker select, .broker textarea')].filter(e => !(e.innerText || e.textContent || '').trim() && !(e.labels && [...e.labels].some(l => l.textContent.trim())) && !e.getAttribute('aria-label')).map(e => e.outerHTML)""");
            Assert.That(nameless, Is.Empty, $"{title}: a control without a name");
        }
        await page.Context.CloseAsync();
    }

    private string PathOf(string name, string path) => name switch
    {
        "dead-letter" => _hostileLetter,
        "message" => _hostileMessage,
        "job" => $"/dashboard/broker/jobs/{_hostileJob}",
        _ => path,
    };

    private static async Task TabToAsync(IPage page, string selector)
    {
        for (var presses = 0; presses < 80; presses++)
        {
            await page.Keyboard.PressAsync("Tab");
            if (await page.EvaluateAsync<bool>("selector => document.activeElement.matches(selector)", selector))
                return;
        }
        Assert.Fail($"The key Tab does not lead to '{selector}' on {page.Url}.");
    }

    private static async Task ShootAsync(IPage page, string name)
    {
        var file = Path.Combine(Approved.Root, "artifacts", "screenshots", name + ".png");
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = file, FullPage = true });
        TestContext.AddTestAttachment(file);
    }
}

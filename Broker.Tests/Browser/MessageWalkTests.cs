using Broker.Tests.EndToEnd;
using Broker.Tests.Support;
using Outbox.Sql;
using static Microsoft.Playwright.Assertions;

namespace Broker.Tests.Browser;

/// <summary>A message seen in the dashboard on its whole way: a real relay, a real broker, a real consumer.</summary>
internal sealed class MessageWalkTests
{
    [Test]
    public async Task One_message_is_followed_from_its_row_to_its_effect_in_another_database()
    {
        await using var browser = await TestBrowser.StartAsync();
        await using var bench = await ConsumerBench.CreateAsync(Stack.Servers);
        await using var orders = await TestDatabase.CreateAsync(SqlDialect.PostgreSql);
        await using var service = await bench.StartAsync();
        await using var worker = await TestDashboard.StartAsync(new Dictionary<string, TestDatabase> { ["orders"] = orders, ["stock"] = bench.Database }, new Dictionary<string, string?>(TestDashboard.Users)
        {
            ["Broker:RabbitMq:Uri"] = await TestServers.RabbitMqAsync(),
            ["Broker:Exchange"] = bench.Exchange,
            ["Broker:Relay:Archive"] = "true",
        }, "relay,dashboard");
        var page = await browser.OpenAsync(worker.Url);
        await page.GotoAsync("/dashboard/broker/message");
        var id = await orders.InsertAsync("orders.order-placed.v1", "order-1", """{"number":"1"}""");
        await bench.EffectsBecomeAsync("1");

        await page.GetByLabel("Message id").FillAsync(id.ToString("D"));
        await page.Keyboard.PressAsync("Enter");

        var steps = page.Locator(".b-life > li");
        await Expect(steps.Filter(new() { HasText = "Written" })).ToContainTextAsync("in orders");
        await Expect(steps.Filter(new() { HasText = "Published" })).ToContainTextAsync("in orders");
        await Expect(steps.Filter(new() { HasText = "Applied by consumer stock" })).ToContainTextAsync("in stock");
        await Expect(page.Locator(".b-facts")).ToContainTextAsync("order-1");
        await page.GotoAsync("/dashboard/broker/inbox?source=stock");
        await Expect(page.Locator("tbody tr").First).ToContainTextAsync("stock");
        await page.GotoAsync("/dashboard/broker/sources/orders");
        await Expect(page.Locator("[data-label='Held by']").First).ToContainTextAsync($"process {Environment.ProcessId}");
        Assert.That(browser.Errors, Is.Empty);
    }
}

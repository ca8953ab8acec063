using Broker.Tests.EndToEnd;
using Broker.Tests.Support;
using Microsoft.Playwright;

namespace Broker.Tests.Browser;

/// <summary>Makes the pictures of docs/dashboard.md, from a relay and a consumer at work.</summary>
[Explicit("It writes into docs/images, and takes two minutes.")]
internal sealed class DashboardPictures
{
    [Test]
    public async Task Take()
    {
        await using var browser = await TestBrowser.StartAsync();
        await using var bench = await ConsumerBench.CreateAsync(Stack.Servers);
        await using var service = await bench.StartAsync();
        await using var stage = await DashboardStage.CreatePeacefulAsync(bench.Database);
        await using var worker = await TestDashboard.StartAsync(stage.Sources, new Dictionary<string, string?>(TestDashboard.Users) { ["Broker:RabbitMq:Uri"] = await TestServers.RabbitMqAsync(), ["Broker:Exchange"] = bench.Exchange }, "relay,jobs,dashboard");
        var page = await browser.OpenAsync(worker.Url);
        await page.GotoAsync("/dashboard/broker");
        using var time = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var tick = 0; tick < 1_000 && await time.WaitForNextTickAsync(); tick++)
        {
            for (var i = 0; i < 3 + (tick / 60 % 4); i++)
                await stage.Orders.InsertAsync("orders.order-placed.v1", $"order-{i}", $$"""{"number":"{{tick}}"}""");
        }
        foreach (var (name, path) in new[] { ("overview", "/dashboard/broker"), ("dead-letters", "/dashboard/broker/dead-letters?source=orders&side=consumer") })
        {
            await page.GotoAsync(path);
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Approved.Root, "docs", "images", $"dashboard-{name}.png"), Clip = new Clip { X = 0, Y = 0, Width = 1_280, Height = name == "overview" ? 760 : 700 } });
        }
    }
}
